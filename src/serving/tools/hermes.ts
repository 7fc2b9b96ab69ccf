// Hermes, Qwen and those that follow them:  <tool_call>\n{"name": …, "arguments": {…}}\n</tool_call>, once per call.

import { type ToolFormat, namedCall, readNamedCall } from './tool-format.ts';

export const hermes: ToolFormat = {
  name: 'hermes',
  fits: (template) => template.includes('<tool_call>') && template.includes('arguments') && template.includes('</tool_call>') && !template.includes('<arg_key>') && !template.includes('<function='),
  opening: () => '<tool_call>',
  language: (l, text, functions) => l.sequence(l.optional(l.text('\n')), namedCall(l, functions), text('\n</tool_call>')),
  read(text) {
    const [, body] = /^\s*([^]*?)\s*<\/tool_call>\s*$/.exec(text) ?? [];
    if (body === undefined) return null;
    try {
      const call = readNamedCall(JSON.parse(body));
      return call && [call];
    } catch { return null; }
  },
};
