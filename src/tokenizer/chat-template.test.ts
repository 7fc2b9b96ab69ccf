// Chat templates against transformers (Python) and the interpreter's own cases; see test/data/*/SOURCE.md.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { isTiefsucheError } from '../errors.ts';
import { compileChatTemplate, templateVariables, type ChatMessage } from './chat-template.ts';
import { strftime } from './strftime.ts';

const data = new URL('../../test/data/', import.meta.url);
const json = (name: string) => JSON.parse(readFileSync(new URL(name, data), 'utf8'));
const now = new Date(2026, 2, 9, 7, 5, 4);

interface Case { template: string; conversation: string; variables: Record<string, unknown>; addGenerationPrompt: boolean; expected?: string; refused?: string }
const goldens = json('chat-templates/goldens.json') as {
  tools: unknown[]; conversations: Record<string, ChatMessage[]>; cases: Case[];
  generation: { template: string; conversation: string; expected: string; generated: [number, number][] }[];
};

/** Mappings with numbers as keys are not in the interpreter. */
const refusedByUs = ['ByteDance-Seed-OSS.jinja'];
/** Python cannot spell a generator as JSON; ours has a list. */
const onlyPython = /generator is not JSON serializable/;
/** Python's Markup escapes HTML in the tools of this one; ours gives the model the text as it is. */
const escaped = (c: Case): boolean => c.template.startsWith('meetkai-functionary-medium-v3.1') && c.conversation === 'tools';

for (const name of new Set(goldens.cases.map((c) => c.template))) {
  test(`${name} gives what transformers gives`, () => {
    const source = readFileSync(new URL(`chat-templates/${name}`, data), 'utf8');
    for (const c of goldens.cases.filter((x) => x.template === name)) {
      const tools = c.conversation === 'tools' ? { tools: goldens.tools } : {};
      const { bos_token, eos_token, ...variables } = c.variables;
      const template = compileChatTemplate(source, { bos_token, eos_token }), what = `${c.conversation} ${JSON.stringify(c.variables)} ${c.refused ?? ''}`;
      const render = (): string => template.render(goldens.conversations[c.conversation]!, { addGenerationPrompt: c.addGenerationPrompt, variables, now, ...tools });
      if (onlyPython.test(c.refused ?? '') || escaped(c)) continue;
      if (c.expected === undefined || refusedByUs.includes(name)) assert.throws(render, { code: 'INPUT' }, what);
      else assert.equal(render(), c.expected, what);
    }
  });
}

test('{% generation %} blocks: the same text and ranges as transformers', () => {
  for (const { template, conversation, expected, generated } of goldens.generation) {
    const compiled = compileChatTemplate(template);
    assert.ok(compiled.marksGeneration);
    assert.deepEqual(compiled.renderMarked(goldens.conversations[conversation]!), { text: expected, generated });
    assert.equal(compiled.render(goldens.conversations[conversation]!), expected);
  }
  assert.equal(compileChatTemplate('x').marksGeneration, false);
});

test("the interpreter's cases", () => {
  const cases = json('jinja-goldens/templates.json') as { name: string; template: string; context: Record<string, unknown>; expected: string }[];
  assert.ok(cases.length >= 90);
  for (const { name, template, context, expected } of cases) {
    const { messages = [], documents, ...variables } = context as { messages?: ChatMessage[]; documents?: unknown[] };
    const rendered = compileChatTemplate(template, variables).render(messages, documents === undefined ? {} : { documents });
    assert.equal(rendered, expected, name);
  }
});

test('templates of models as published', () => {
  const cases = json('jinja-goldens/chat-e2e.json') as Record<string, { chat_template: string; target: string; data: Record<string, unknown> }>;
  assert.ok(Object.keys(cases).length >= 8);
  for (const [name, c] of Object.entries(cases)) {
    const { messages, tools, documents, add_generation_prompt, ...variables } = c.data;
    const options = { addGenerationPrompt: add_generation_prompt === true, ...(tools ? { tools: tools as unknown[] } : {}), ...(documents ? { documents: documents as unknown[] } : {}) };
    assert.equal(compileChatTemplate(c.chat_template, variables).render(messages as ChatMessage[], options), c.target, name);
  }
});

test('the tiny model refuses a system message, as its template asks', () => {
  const config = json('tiny-rl-arithmetic-sequence/tokenizer_config.json');
  const template = compileChatTemplate(config.chat_template, { sep_token: 'S' });
  assert.equal(template.render([{ role: 'user', content: '1,2,3:' }], { addGenerationPrompt: true }), '1,2,3:S');
  assert.throws(() => template.render([{ role: 'system', content: 'x' }]), (e) => isTiefsucheError(e) && e.code === 'INPUT' && /System role not supported/.test(e.message));
});

test('broken templates and hostile messages', () => {
  assert.throws(() => compileChatTemplate('{% if %}'), (e) => isTiefsucheError(e) && e.code === 'FORMAT');
  assert.throws(() => compileChatTemplate('{{ messages | nofilter }}').render([]), (e) => isTiefsucheError(e) && e.code === 'INPUT');
  assert.throws(() => compileChatTemplate('{% for i in range(99999999999) %}{% endfor %}').render([]), isTiefsucheError);
  // Loops within loops, a macro that calls itself, a text that doubles: each ends.
  for (const [endless, message] of [
    ['{% for i in range(2000) %}{% for j in range(2000) %}{% endfor %}{% endfor %}', /does not come to an end/],
    ['{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}', /failed/],
    ['{% set ns = namespace(t="x") %}{% for i in range(60) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}', /does not come to an end/],
  ] as const) assert.throws(() => compileChatTemplate(endless).render([]), (e) => isTiefsucheError(e) && e.code === 'INPUT' && message.test(e.message));
  // A message is data: Jinja in it stays text.
  assert.equal(compileChatTemplate('{{ messages[0].content }}').render([{ role: 'user', content: '{{ bos_token }}{% generation %}' }]), '{{ bos_token }}{% generation %}');
});

test('special tokens come from the config, plain or written out', () => {
  assert.deepEqual(templateVariables({ bos_token: '<s>', eos_token: { content: '</s>', lstrip: false }, pad_token: null, add_bos_token: true, model_max_length: 5 }),
    { bos_token: '<s>', eos_token: '</s>' });
});

test('strftime speaks English wherever it runs', () => {
  assert.equal(strftime(now, '%d %b %Y, %A %B %-d %H:%M:%S %y %j %I%p %% %Q'), '09 Mar 2026, Monday March 9 07:05:04 26 068 07AM % %Q');
});
