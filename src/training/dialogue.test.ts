// Rows of every known form, and what of them is trained under real chat templates (test/data/chat-templates).

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { isTiefsucheError } from '../errors.ts';
import { type TextSide, textSide } from '../models/language-model.ts';
import { trainTokenizer } from '../tokenizer/train.ts';
import { packBatches, spansOf, targetCount } from './batches.ts';
import { type Dialogue, dialogueOf } from './dialogue.ts';
import { dialogueExamples } from './dialogue-examples.ts';
import { fingerprint } from './data-report.ts';

const user = { role: 'user', content: 'Wie hoch darf die Wand sein?' };
const turns = [user, { role: 'assistant', content: 'Drei Meter.' }, { role: 'user', content: 'Und im Hof?' }, { role: 'assistant', content: 'Auch.' }];

test('every form of row is recognised', () => {
  const answer = { role: 'assistant', content: 'Drei Meter.' };
  const cases: [object, Dialogue['form'], unknown][] = [
    [{ messages: [user, answer] }, 'messages', [user, answer]],
    [{ messages: [user, { role: 'assistant', content: '<think>\nhm\n</think>\n\nDrei Meter.' }] }, 'messages', [user, { ...answer, reasoning_content: 'hm\n' }]],
    [{ messages: [user, { ...answer, thinking: 'hm' }] }, 'messages', [user, { ...answer, reasoning_content: 'hm' }]],
    [{ messages: [user, answer, user] }, 'messages', [user, answer]],
    [{ conversations: [{ from: 'human', value: user.content }, { from: 'gpt', value: 'Drei Meter.' }] }, 'sharegpt', [user, answer]],
    [{ prompt: user.content, completion: 'Drei Meter.' }, 'prompt-completion', [user, answer]],
    [{ prompt: [user], completion: [answer] }, 'prompt-completion', [user, answer]],
    [{ instruction: 'Wie hoch?', input: 'Die Wand.', output: 'Drei Meter.' }, 'alpaca', [{ role: 'user', content: 'Wie hoch?\n\nDie Wand.' }, answer]],
    [{ instruction: user.content, input: '', output: 'Drei Meter.' }, 'alpaca', [user, answer]],
    [{ question: user.content, answer: 'Drei Meter.' }, 'question-answer', [user, answer]],
  ];
  for (const [row, form, messages] of cases) assert.deepEqual(dialogueOf(row as Record<string, unknown>, 'row'), { form, messages });
  assert.deepEqual(dialogueOf({ text: 'Ein Satz.' }, 'row'), { form: 'text', text: 'Ein Satz.' });
});

test('rows that teach nothing are refused by name', () => {
  for (const [row, part] of [[{ messages: [user] }, 'nobody answers'], [{ foo: 1 }, 'keys: foo'], [{ messages: 'x' }, 'not a list'], [{ messages: [{ role: 'wizard', content: 'x' }] }, 'messages[0]']] as const) {
    assert.throws(() => dialogueOf(row as Record<string, unknown>, 'a.jsonl, row 3'), (e) => isTiefsucheError(e) && e.code === 'INPUT' && e.message.includes('a.jsonl, row 3') && e.message.includes(part));
  }
  assert.equal(fingerprint(dialogueOf({ prompt: 'A  b', completion: 'c' }, ''), 'whole'), fingerprint(dialogueOf({ prompt: 'a b', completion: 'C ' }, ''), 'whole'));
});

const chatml = "{% for m in messages %}{{'<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
const read = (name: string): string => readFileSync(new URL(`../../test/data/chat-templates/${name}.jinja`, import.meta.url), 'utf8');

/** The template with a byte-level tokenizer of our own that knows its special tokens. */
async function side(chatTemplate: string, end: string): Promise<TextSide> {
  const specials = [...new Set([end, ...(chatTemplate.match(/<[|｜][^<>\s']+[|｜]>/gu) ?? [])])];
  const { tokenizerJson, tokenizerConfig } = await trainTokenizer(['Wie hoch darf die Wand sein? Drei Meter.'], { vocabSize: 256 + specials.length, specialTokens: specials, roles: { eos: end } });
  return textSide({ tokenizerJson, tokenizerConfig, chatTemplate, generationConfig: {} });
}

const templates = [
  { name: 'ChatML', source: chatml, end: '<|im_end|>', reasoning: '<think>\nhm\n</think>\n\nAuch.' },
  { name: 'Qwen3', source: read('Qwen-Qwen3-0.6B'), end: '<|im_end|>', reasoning: '<think>\nhm\n</think>\n\nAuch.' },
  { name: 'SmolLM3', source: read('HuggingFaceTB-SmolLM3-3B'), end: '<|im_end|>', reasoning: '<think>\nhm\n</think>\n\nAuch.' },
  { name: 'DeepSeek-V3.1', source: read('deepseek-ai-DeepSeek-V3.1'), end: '<｜end▁of▁sentence｜>', reasoning: null },
];

for (const { name, source, end, reasoning } of templates) test(`${name}: answers are trained behind the very prompt that serving renders`, async () => {
  const text = await side(source, end), { tokenizer } = text;
  const examples = dialogueExamples(text, { form: 'messages', messages: turns }, 'row');
  const trained = examples.flatMap((e) => spansOf(e).map(([from, to]) => ({ before: tokenizer.decode(e.ids.subarray(0, from)), answer: tokenizer.decode(e.ids.subarray(from, to)), last: e.ids[to - 1] })));
  assert.equal(trained.length, 2);
  trained.forEach(({ before, answer, last }, i) => {
    const prompt = text.template!.render(turns.slice(0, 2 * i + 1), { addGenerationPrompt: true });
    assert.equal(before, prompt);
    assert.ok(answer.endsWith(`${turns[2 * i + 1]!.content}${end}`), answer);
    assert.equal(last, tokenizer.tokenToId(end));
  });
  if (reasoning === null) return;
  const [thought] = dialogueExamples(text, { form: 'messages', messages: [user, { role: 'assistant', content: 'Auch.', reasoning_content: 'hm' }] }, 'row');
  const [from, to] = spansOf(thought!)[0]!;
  assert.equal(tokenizer.decode(thought!.ids.subarray(from, to)), reasoning + end);
});

test('ranges of one conversation become rows with targets, and nothing else does', async () => {
  const [example] = dialogueExamples(await side(chatml, '<|im_end|>'), { form: 'messages', messages: turns }, 'row');
  assert.equal(spansOf(example!).length, 2);
  const [batch] = packBatches([example!], { coefficient: 1, limits: { tokens: 4096 } });
  const wanted = spansOf(example!).flatMap(([from, to]) => Array.from({ length: to - from }, (_, i) => from + i));
  assert.deepEqual([...batch!.rows], wanted.map((i) => i - 1));
  assert.deepEqual([...batch!.targets], wanted.map((i) => example!.ids[i]));
  assert.equal(targetCount(example!), wanted.length);
});

test('an example without a trained token is refused', async () => {
  const text = await side(chatml, '<|im_end|>');
  assert.throws(() => dialogueExamples({ ...text, template: null }, { form: 'messages', messages: [user, { role: 'assistant', content: '' }] }, 'row 1'), (e) => isTiefsucheError(e) && e.message.includes('not one token'));
});
