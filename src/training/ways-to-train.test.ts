// Which way fits, and at which length: more memory never fits less, and what is said to fit does.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryHome } from '../ledger/testing/sample-run.ts';
import { readRecipe } from './recipe-parts.ts';
import { longestRows, waysToTrain } from './ways-to-train.ts';

const folder = temporaryHome(), place = { folder, home: folder, threads: 1, residentBytes: 0 }, model = fileURLToPath(new URL('../../test/fixtures/thinker', import.meta.url)), positions = 320;
writeFileSync(join(folder, 'train.jsonl'), Array.from({ length: 20 }, (_, i) => `${JSON.stringify({ prompt: `Today is Monday. ${i}`, completion: 'Friday' })}\n`).join(''));
const recipe = readRecipe(JSON.stringify({
  name: 'a', why: 'a test', seed: 1, model: { from: model }, lora: { rank: 4 },
  stages: [{ method: 'sft', steps: 4, batch: 4, data: { file: 'train.jsonl' }, heldout_every: 2 }],
}));

test('all weights, adapters, adapters on few bits, each also computing twice; the recipe\'s own is marked', async () => {
  const ways = await waysToTrain(recipe, place);
  assert.deepEqual(ways.map(({ name, recompute, chosen }) => [name, recompute, chosen]), [['full', false, false], ['full', true, false], ['LoRA', false, true], ['LoRA', true, false], ['QLoRA', false, false], ['QLoRA', true, false]]);
  assert.ok(ways[2]!.totalBytes < ways[0]!.totalBytes, 'adapters take less');
});

test('the longest row: all positions where there is room, none where there is not, and in between what fits', async () => {
  assert.deepEqual(await longestRows(recipe, positions, 2 ** 40, place), Array.from({ length: 6 }, () => positions));
  assert.deepEqual(await longestRows(recipe, positions, 1000, place), Array.from({ length: 6 }, () => null));
  const [least] = (await waysToTrain(recipe, place)).map((w) => w.totalBytes).sort((a, b) => a - b);
  let before: (number | null)[] = Array.from({ length: 6 }, () => null);
  for (const share of [0.97, 1, 1.005, 1.01, 1.02, 1.05, 1.1]) {
    const now = await longestRows(recipe, positions, least! * share, place);
    now.forEach((tokens, i) => assert.ok((tokens ?? 0) >= (before[i] ?? 0) && [null, 128, 256, positions].includes(tokens), `way ${i} at ${share}: ${tokens} after ${before[i]}`));
    before = now;
  }
  assert.ok(before.some((tokens) => tokens !== null));
});
