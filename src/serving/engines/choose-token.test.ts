import { test } from 'node:test';
import assert from 'node:assert/strict';
import { keptTokens } from '../../engine/ops/sample.ts';
import { random } from '../../engine/random.ts';
import { adjustLogits, chooseToken, keptIds, logprobsOf } from './choose-token.ts';
import type { Sampling } from './engine.ts';
import { quickExp } from './quick-exp.ts';

const plain: Sampling = { temperature: 1, topK: 0, topP: 1, minP: 0, seed: 7, frequencyPenalty: 0, presencePenalty: 0, bias: [] };

function drawnLogits(n: number, seed: number, spread: number): Float32Array {
  return Float32Array.from({ length: n }, (_, i) => (random(seed, 0, i) / 2 ** 32 - 0.5) * spread);
}

test('the ids kept are those of the op that training samples with', () => {
  for (const [seed, spread] of [[1, 3], [2, 12], [3, 60], [4, 0.1]] as const) {
    const logits = drawnLogits(500, seed, spread);
    for (const temperature of [0.3, 1, 2]) for (const [topK, topP, minP] of [[5, 1, 0], [0, 0.9, 0], [0, 0.2, 0], [0, 1, 0.1], [40, 0.8, 0.02], [3, 0.99, 0.5], [0, 0.9, 0.3], [600, 0.5, 0.001]] as const) {
      const z = logits.map((x) => x / temperature), max = Math.max(...z.values());
      const kept = keptIds(logits, Math.max(...logits) / temperature, { ...plain, temperature, topK, topP, minP });
      assert.deepEqual(kept, keptTokens(z, topK, topP, minP).sort((i, j) => i - j), JSON.stringify({ spread, temperature, topK, topP, minP, max }));
    }
  }
});

test('frequencies follow the probabilities, and the same seed, stream and position give the same token', () => {
  const logits = Float32Array.from([Math.log(0.5), Math.log(0.3), Math.log(0.2)]), counts = [0, 0, 0];
  for (let position = 0; position < 20_000; position++) counts[chooseToken(logits, plain, 0, position)]!++;
  [0.5, 0.3, 0.2].forEach((p, i) => assert.ok(Math.abs(counts[i]! / 20_000 - p) < 0.015, `${counts}`));
  const draw = (seed: number, stream: number): number[] => Array.from({ length: 50 }, (_, position) => chooseToken(logits, { ...plain, seed }, stream, position));
  assert.deepEqual(draw(1, 0), draw(1, 0));
  assert.notDeepEqual(draw(1, 0), draw(1, 1));
  assert.notDeepEqual(draw(1, 0), draw(2, 0));
  assert.equal(chooseToken(Float32Array.from([1, 3, 3]), { ...plain, temperature: 0 }, 0, 0), 1, 'ties to the lower id');
});

test('bias and penalties change the logits; log-probabilities are those of the model', () => {
  const logits = Float32Array.from([1, 2, 3]), before = logprobsOf(logits, 2, (id) => ({ token: String(id), bytes: [] }));
  adjustLogits(logits, { ...plain, bias: [[0, 100], [99, 1]], frequencyPenalty: 0.5, presencePenalty: 0.25 }, new Map([[2, 3]]));
  assert.deepEqual([...logits], [101, 2, 3 - 1.75]);
  const norm = Math.log(Math.exp(1) + Math.exp(2) + Math.exp(3)), { logprob, top_logprobs: top } = before(0);
  assert.ok(Math.abs(logprob - (1 - norm)) < 1e-6);
  assert.deepEqual(top.map((t) => t.token), ['2', '1']);
  assert.ok(Math.abs(top[0]!.logprob - (3 - norm)) < 1e-6);
});

test('the quick exponential is that of Math, to ten digits, and 0 far below', () => {
  for (let x = 0; x > -50; x -= 0.0137) assert.ok(Math.abs(quickExp(x) / Math.exp(x) - 1) < 1e-11, String(x));
  assert.equal(quickExp(0), 1);
  for (const x of [-100, -1e300, -Infinity]) assert.equal(quickExp(x), 0);
});
