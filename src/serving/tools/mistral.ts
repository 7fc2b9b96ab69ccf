// Mistral. To version 7 of its tokenizer: [TOOL_CALLS] [{"name": …, "arguments": {…}}, …] and then the end of the answer.
// From version 11 on: [TOOL_CALLS]name[ARGS]{…}, once per call.

import { type ToolFormat, namedCall, readNamedCall } from './tool-format.ts';

const separate = (template: string): boolean => template.includes('[ARGS]');

export const mistral: ToolFormat = {
  name: 'mistral',
  fits: (template) => template.includes('[TOOL_CALLS]'),
  opening: () => '[TOOL_CALLS]',
  language(l, text, functions, { template, parallel }) {
    if (separate(template)) return l.choice(...functions.map((f) => l.sequence(l.text(f.name), text('[ARGS]'), f.arguments)));
    const call = namedCall(l, functions), more = parallel ? l.repeat(l.sequence(l.text(', '), call), 0, Infinity) : l.empty;
    return l.sequence(l.optional(l.text(' ')), l.text('['), call, more, l.text(']'));
  },
  read(text) {
    const [, name, given] = /^\s*([^\s[\]{}]+)\[ARGS\]([^]*)$/.exec(text) ?? [];
    try {
      if (name !== undefined && given !== undefined) return [{ name, arguments: JSON.stringify(JSON.parse(given)) }];
      const listed: unknown = JSON.parse(text), calls = Array.isArray(listed) ? listed.map(readNamedCall) : [null];
      return calls.some((c) => c === null) ? null : calls as never;
    } catch { return null; }
  },
};
