// What a supervised stage says of itself is what it does: which steps measure losses beside, how many tokens that is, and
// how many a step has in the mean. The estimate of time rests on it.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openBackend } from '../engine/backends/open.ts';
import { Arena } from '../engine/program.ts';
import { temporaryHome } from '../ledger/testing/sample-run.ts';
import type { EncodedFiles, StepResult } from './method.ts';
import { planMemory } from './memory-plan.ts';
import { startStage } from './methods.ts';
import { makeModel } from './model-source.ts';
import { readRecipe } from './recipe-parts.ts';
import { epochOrder, readExamples, tokenCount } from './sft-file.ts';
import { estimateTime } from './time-estimate.ts';

const folder = temporaryHome(), model = fileURLToPath(new URL('../../test/data/tiny-rl-arithmetic-sequence', import.meta.url));
const rows = (count: number, first: number): string => Array.from({ length: count }, (_, i) => `${JSON.stringify({ prompt: '8,3:9,4,'.repeat(1 + ((i + first) % 4)), completion: String((i + first) % 10) })}\n`).join('');
for (const [name, count] of [['train', 20], ['test', 6], ['other', 3]] as const) writeFileSync(join(folder, `${name}.jsonl`), rows(count, count));

const recipe = readRecipe(JSON.stringify({
  name: 'a', why: 'a test', seed: 1, model: { from: model }, lora: { rank: 2 },
  stages: [{ method: 'sft', steps: 5, batch: 4, data: { file: 'train.jsonl', test_file: 'test.jsonl' }, heldout_every: 2, heldout_at_start: true, heldout_also: [{ name: 'other', file: 'other.jsonl' }] }],
}));
const backend = openBackend(), plan = await planMemory(recipe, folder, folder, 1);
after(() => backend.close());

test('losses beside the steps: the own rows now and then, the others at the start and at the end, and all of it is told beforehand', async () => {
  const language = await makeModel(backend, recipe, folder, folder), arena = new Arena(backend, plan.arenaBytes), files: EncodedFiles = new Map();
  const stage = await startStage(recipe, 0, { language, arena, folder, files, cancel: { cancelled: false }, rollout: () => assert.fail('nothing is sampled') });
  try {
    const [own, other, train] = await Promise.all(['test', 'other', 'train'].map(async (name) => tokenCount(await readExamples(language, folder, { file: `${name}.jsonl`, max_tokens: 512 }, files)))) as [number, number, number];
    assert.deepEqual([0, 1, 2, 3, 4].map((step) => stage.beside!.at(step)), [true, true, false, true, true]);
    assert.equal(stage.beside!.tokens, 4 * own + 2 * other, 'at the start, after 2, 4 and 5 steps; the others at both ends');
    assert.equal(stage.meanTokens, (4 * train) / 20);
    const sampled = await stage.beside!.sample();
    assert.ok(sampled > 0 && sampled <= own + other);
    const done: StepResult[] = [];
    for (let step = 0; step < 5; step++) done.push(await stage.step(step));
    const measured = (name: string): boolean[] => done.map(({ metrics }) => typeof metrics[name] === 'number');
    assert.deepEqual(measured('heldout_loss'), [false, true, false, true, true]);
    assert.deepEqual(measured('heldout_loss_other'), [false, false, false, false, true]);
    assert.deepEqual(measured('heldout_loss_other_at_start'), [true, false, false, false, false]);
    assert.equal(done.reduce((n, { trained }) => n + trained, 0), train, 'five steps of four rows are an epoch of twenty');
    assert.deepEqual([...files.keys()].map((path) => path.split('/').at(-1)).sort(), ['other.jsonl', 'test.jsonl', 'train.jsonl']);
  } finally {
    stage.close();
    arena.close();
    language.model.close();
  }
});

test('the estimate counts steps and what is measured beside them apart', async () => {
  const { stages: [stage], evaluations, seconds } = await estimateTime(backend, recipe, folder, folder, plan, { patience: 0.1, steps: 3 });
  assert.ok(stage!.secondsPerStep > 0 && stage!.besideSeconds > 0 && evaluations.seconds === 0);
  assert.ok(Math.abs(seconds - (5 * stage!.secondsPerStep + stage!.besideSeconds)) < 1e-9);
});

test('an epoch has every row once, in an order that seed and epoch decide', () => {
  assert.deepEqual([...epochOrder(3, 0, 9)].sort(), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
  assert.deepEqual(epochOrder(3, 0, 9), epochOrder(3, 0, 9));
  assert.notDeepEqual(epochOrder(3, 0, 9), epochOrder(3, 1, 9));
});
