// DeepSeek: a list of calls between marks of its own. V3.1: name<｜tool▁sep｜>{…}. V3 and R1: function<｜tool▁sep｜>name, then
// the arguments as a block of ```json. Its templates do not list the functions: the words for that are those that the
// model was trained with (model card of DeepSeek-V3.1).

import { type FunctionCall, type ToolFormat } from './tool-format.ts';

const [begin, end, open, close, between] = ['<｜tool▁calls▁begin｜>', '<｜tool▁calls▁end｜>', '<｜tool▁call▁begin｜>', '<｜tool▁call▁end｜>', '<｜tool▁sep｜>'];
const fenced = (template: string): boolean => template.includes('```json');

export const deepseek: ToolFormat = {
  name: 'deepseek',
  fits: (template) => template.includes(begin),
  opening: () => begin,
  language(l, text, functions, { template, parallel }) {
    const call = l.choice(...functions.map((f) => (fenced(template)
      ? l.sequence(text(`${open}function${between}${f.name}\n\`\`\`json\n`), f.arguments, text(`\n\`\`\`${close}`))
      : l.sequence(text(`${open}${f.name}${between}`), f.arguments, text(close)))));
    return l.sequence(call, parallel ? l.repeat(l.sequence(l.optional(l.text('\n')), call), 0, Infinity) : l.empty, text(end));
  },
  read(text) {
    if (!text.trimEnd().endsWith(end)) return null;
    const calls: FunctionCall[] = [];
    for (const part of text.split(open).slice(1)) {
      const body = part.split(close)[0]!, at = body.indexOf(between), [, name, given] = /^([^\n]*)\n```json\n([^]*?)\n```$/.exec(body.slice(at + between.length)) ?? [null, body.slice(0, at), body.slice(at + between.length)];
      if (at < 0) return null;
      try { calls.push({ name: name!, arguments: JSON.stringify(JSON.parse(given!)) }); } catch { return null; }
    }
    return calls.length > 0 ? calls : null;
  },
  describe: (tools) => `

## Tools
You have access to the following tools:

${tools.map((t) => `### ${t.function.name}\nDescription: ${t.function.description ?? ''}\n\nParameters: ${JSON.stringify(t.function.parameters ?? {})}\n`).join('\n')}
IMPORTANT: ALWAYS adhere to this exact format for tool use:
${begin}${open}tool_call_name${between}tool_call_arguments${close}{{additional_tool_calls}}${end}

Where:

- \`tool_call_name\` must be an exact match to one of the available tools
- \`tool_call_arguments\` must be valid JSON that strictly follows the tool's Parameters Schema
- For multiple tool calls, chain them directly without separators or spaces
`,
};
