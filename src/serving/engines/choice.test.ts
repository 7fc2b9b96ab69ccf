// One choice of an answer, fed with logits that say what a model would do.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
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

test('models with tags of their own (Mistral\'s, Seed-OSS\'s): thought and answer apart, closed by their tag at the budget', async () => {
  for (const { open, close } of knownTags.slice(1)) {
    const chatTemplate = `{% for m in messages %}{{ m['content'] }}{% endfor %}{# ${open} #}`;
    const { tokenizerJson, tokenizerConfig } = await trainTokenizer(['How much is it? 78'], { vocabSize: 260, specialTokens: ['<end>', open, close], roles: { eos: '<end>' } });
    const side = textSide({ tokenizerJson, tokenizerConfig, chatTemplate, generationConfig: {} }), number = (token: string): number => side.tokenizer.tokenToId(token)!;
    const logits = (token: string): Float32Array => { const all = new Float32Array(side.tokenizer.vocabSize).fill(-10); all[number(token)] = 10; return all; };
    const request = requestFor('How much is it?', { thinking: { enabled: null, budget: 4, raw: false } }), prompt = preparePrompt(side, request), events: EngineEvent[] = [];
    assert.deepEqual([prompt.mayThink, thinks(side), tagsOf(side)], [true, true, { open, close }]);
    const choice = new Choice(side, request, prompt, 0, 320, endIds(side), null, (event) => { events.push(event); });
    for (const token of [open, '7', '7', '7', '7', '8', close, '8', '<end>']) if (!choice.done) choice.choose(logits(token));
    choice.tellEnd();
    const pieces = events.filter((e) => e.type === 'piece'), last = events.at(-1);
    assert.equal(pieces.map((p) => p.thinking).join(''), '777');
    assert.equal(pieces.map((p) => p.content).join(''), '88', 'a tag that closes nothing is not said');
    assert.ok(last?.type === 'end' && last.thinkingEnded === 'budget' && choice.ids.includes(number(close)));
  }
});
