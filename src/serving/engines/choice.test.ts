// One choice of an answer, fed with logits that say what a model would do.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { RandomStream } from '../../engine/random.ts';
import { textSide } from '../../models/language-model.ts';
import { openModelFiles } from '../../models/load.ts';
import { knownTags } from '../../reasoning/thinking.ts';
import { tagsOf, thinks } from '../../reasoning/thinking-models.ts';
import { trainTokenizer } from '../../tokenizer/train.ts';
import { Choice } from './choice.ts';
import type { EngineEvent } from './engine.ts';
import { endIds, preparePrompt } from './prompt.ts';
import { requestFor } from './testing/requests.ts';

const files = openModelFiles(fileURLToPath(new URL('../../../test/fixtures/thinker', import.meta.url))), text = textSide(files), ends = endIds(text);
files.close();
const [end] = [...ends], vocab = text.tokenizer.vocabSize, id = (token: string): number => text.tokenizer.tokenToId(token)!;

/** Logits whose likeliest tokens are these, in their order. */
const wants = (...ids: number[]): Float32Array => new Float32Array(vocab).map((_, i) => (ids.includes(i) ? 10 - ids.indexOf(i) : -10));

test('a thought that the budget closes is followed by an answer: white space alone does not end it', () => {
  const request = requestFor('How much is it?', { thinking: { enabled: true, budget: 2, raw: false } }), events: EngineEvent[] = [];
  const choice = new Choice(text, request, preparePrompt(text, request), 0, 320, ends, null, (event) => { events.push(event); });
  for (let i = 0; i < 3; i++) choice.choose(wants(id('7'))); // two of thought, then the budget
  choice.choose(wants(id(' ')));
  choice.choose(wants(end!, id(' ')));
  choice.choose(wants(end!, id('8')));
  assert.ok(!choice.done, 'not before it has an answer');
  choice.choose(wants(end!, id('8')));
  assert.ok(choice.done);
  choice.tellEnd();
  const pieces = events.filter((e) => e.type === 'piece'), last = events.at(-1);
  assert.equal(pieces.map((p) => p.thinking).join(''), '77');
  assert.equal(pieces.map((p) => p.content).join(''), '8');
  assert.ok(last?.type === 'end' && last.thinkingEnded === 'budget' && last.finish === 'stop');
});

test('models with tags of their own (Mistral\'s, Seed-OSS\'s, the channels of gpt-oss): thought and answer apart, closed by their tag at the budget', async () => {
  for (const { open, close } of knownTags.slice(1)) {
    const chatTemplate = `{% for m in messages %}{{ m['content'] }}{% endfor %}{# ${open} #}`;
    const { tokenizerJson, tokenizerConfig } = await trainTokenizer(['How much is it? 78'], { vocabSize: 260, specialTokens: ['<end>', open, close], roles: { eos: '<end>' } });
    const side = textSide({ tokenizerJson, tokenizerConfig, chatTemplate, generationConfig: {} }), number = (token: string): number => side.tokenizer.tokenToId(token)!;
    const logits = (token: string): Float32Array => { const all = new Float32Array(side.tokenizer.vocabSize).fill(-10); all[number(token)] = 10; return all; };
    const request = requestFor('How much is it?', { thinking: { enabled: null, budget: 4, raw: false } }), prompt = preparePrompt(side, request), events: EngineEvent[] = [];
    assert.deepEqual([prompt.mayThink, thinks(side), tagsOf(side).open], [true, true, open]);
    const choice = new Choice(side, request, prompt, 0, 320, endIds(side), null, (event) => { events.push(event); });
    for (const token of [open, '7', '7', '7', '7', '8', close, '8', '<end>']) if (!choice.done) choice.choose(logits(token));
    choice.tellEnd();
    const pieces = events.filter((e) => e.type === 'piece'), last = events.at(-1);
    assert.equal(pieces.map((p) => p.thinking).join(''), '777');
    assert.equal(pieces.map((p) => p.content).join(''), '88', 'a tag that closes nothing is not said');
    assert.ok(last?.type === 'end' && last.thinkingEnded === 'budget' && choice.ids.includes(number(close)));
  }
});

test('what is chosen among the candidates is what is chosen among all', () => {
  const random = new RandomStream(11, 0), logits = Float32Array.from({ length: vocab }, () => 6 * random.uniform());
  const spoken = { ...requestFor('').sampling, temperature: 0 };
  for (const [what, sampling, expected] of [
    ['the likeliest', spoken, 1], ['one of the ten likeliest', { ...spoken, temperature: 0.8, topK: 10 }, 10], ['of the five likeliest, what top-p and min-p leave', { ...spoken, temperature: 1.3, topK: 5, topP: 0.7, minP: 0.1 }, 5],
    ['any', { ...spoken, temperature: 1 }, null], ['by top-p alone', { ...spoken, temperature: 1, topP: 0.5 }, null], ['with a bias', { ...spoken, bias: [[3, 2]] as const }, null], ['with a penalty', { ...spoken, presencePenalty: 1 }, null],
  ] as const) {
    for (let seed = 0; seed < 8; seed++) {
      const request = requestFor('How much is it?', { sampling: { ...sampling, seed } }), made = (): Choice => new Choice(text, request, preparePrompt(text, request), 0, 320, ends, null, () => {});
      const [all, few] = [made(), made()], count = few.candidates();
      assert.equal(count, expected, what);
      const least = count === null ? -Infinity : [...logits].sort((a, b) => b - a)[count - 1]!;
      all.choose(logits.slice());
      few.choose(logits.map((z) => (z >= least ? z : -Infinity)));
      assert.equal(few.ids.at(-1), all.ids.at(-1), what);
    }
  }
  assert.equal(new Choice(text, requestFor('x', { sampling: spoken, topLogprobs: 0 }), preparePrompt(text, requestFor('x')), 0, 320, ends, null, () => {}).candidates(), null, 'probabilities are of all words');
});

test('while an answer must follow, those that would end it are candidates beside the others', () => {
  const request = requestFor('How much is it?', { thinking: { enabled: true, budget: 1, raw: false }, sampling: { ...requestFor('').sampling, temperature: 0 } });
  const choice = new Choice(text, request, preparePrompt(text, request), 0, 320, ends, null, () => {});
  assert.equal(choice.candidates(), 1);
  for (let i = 0; i < 2; i++) choice.choose(wants(id('7'))); // the thought, then the budget
  assert.equal(choice.candidates(), 1 + ends.size);
});
