// Templates that mark the model's own words ({% generation %}): the same tokens are trained as transformers marks with
// return_assistant_tokens_mask (test/fixtures/assistant-masks).

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { textSide } from '../models/language-model.ts';
import type { ChatMessage } from '../tokenizer/chat-template.ts';
import { spansOf } from './batches.ts';
import { dialogueExamples } from './dialogue-examples.ts';
import { dialogueOf } from './dialogue.ts';

const folder = new URL('../../test/fixtures/assistant-masks/', import.meta.url), read = (name: string): string => readFileSync(new URL(name, folder), 'utf8');
const { templates, conversations, cases } = JSON.parse(read('masks.json')) as {
  templates: Record<string, string>; conversations: Record<string, ChatMessage[]>; cases: { template: string; conversation: string; ids: number[]; mask: number[] }[];
};
const sideOf = (chatTemplate: string) => textSide({ tokenizerJson: read('tokenizer.json'), tokenizerConfig: { eos_token: '<|im_end|>' }, chatTemplate, generationConfig: {} });

for (const { template, conversation, ids, mask } of cases) test(`${template}, ${conversation}: the marked tokens are trained`, () => {
  const examples = dialogueExamples(sideOf(templates[template]!), dialogueOf({ messages: conversations[conversation]! }, 'row'), 'row');
  assert.equal(examples.length, 1, 'the beginning of a conversation renders as its beginning');
  const [example] = examples, last = mask.lastIndexOf(1);
  assert.deepEqual([...example!.ids], ids.slice(0, last + 1));
  const trained = new Array<number>(last + 1).fill(0);
  for (const [from, to] of spansOf(example!)) trained.fill(1, from, to);
  assert.deepEqual(trained, mask.slice(0, last + 1));
});

test('a template that drops earlier thinking has an example for each answer, behind the prompt that serving renders', () => {
  const source = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}{% if m.role == 'assistant' %}{% generation %}{% if loop.last and m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}{{ m.content }}<|im_end|>{% endgeneration %}{% else %}{{ m.content }}<|im_end|>{% endif %}{{ '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
  const side = sideOf(source), [question, answer] = [{ role: 'user', content: 'Und im Hof?' }, { role: 'assistant', content: 'Auch.', reasoning_content: 'Drei Meter.' }];
  const examples = dialogueExamples(side, dialogueOf({ messages: [question, answer, question, answer] }, 'row'), 'row');
  const shown = examples.map((e) => spansOf(e).map(([from, to]) => [side.tokenizer.decode(e.ids.subarray(0, from)), side.tokenizer.decode(e.ids.subarray(from, to))]));
  const spoken = '<think>Drei Meter.</think>Auch.<|im_end|>', opening = '<|im_start|>user\nUnd im Hof?<|im_end|>\n<|im_start|>assistant\n';
  assert.deepEqual(shown, [[[opening, spoken]], [[`${opening}Auch.<|im_end|>\n${opening}`, spoken]]]);
});
