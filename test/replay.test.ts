// A replay comes to the recorded hash of every checkpoint, those that were removed included, and notices what was changed.

import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryHome } from '../src/ledger/testing/sample-run.ts';
import { compareLogs } from '../src/training/replay.ts';
import { listCheckpoints } from '../src/runs/run-folder-checkpoints.ts';
import { openRun } from '../src/runs/run-folder.ts';
import { smallRecipe, tiefsuche, trainArguments } from './interrupted-run.ts';

test('replay: the same bytes for every checkpoint; a changed recipe, list or weight is found', async () => {
  const home = temporaryHome(), recipe = smallRecipe('llama', { sft: 20, grpo: 3, every: 4 });
  assert.equal((await tiefsuche(trainArguments(home, recipe), home)).status, 0);
  const run = openRun('small', home), recorded = readFileSync(run.recipe, 'utf8'), list = join(run.path, 'checkpoints.jsonl'), logged = readFileSync(list, 'utf8');

  const { status, out, err } = await tiefsuche(['replay', 'small', '--json'], home);
  assert.equal(status, 0, err);
  const told = JSON.parse(out) as { equal: boolean; checkpoints: { what: string; step: number; equal: boolean }[] };
  assert.deepEqual(told.checkpoints.map((c) => [c.what, c.step, c.equal]), [...[4, 8, 12, 16, 20, 23].map((step) => ['checkpoint', step, true]), ['final', 23, true]]);
  assert.ok(listCheckpoints(run.checkpoints).length < 6, 'some checkpoints had been removed');

  writeFileSync(run.recipe, recorded.replace('seed: 3', 'seed: 4'));
  const changed = await tiefsuche(['replay', 'small', '--json'], home);
  assert.equal(changed.status, 1);
  assert.match(changed.err, /MISMATCH.*not the recipe|not the recipe.*MISMATCH/s);
  rmSync(join(home, 'ledger'), { recursive: true }); // without a ledger, the bytes tell
  const retrained = await tiefsuche(['replay', 'small', '--json'], home);
  assert.equal(retrained.status, 1, retrained.err);
  assert.ok((JSON.parse(retrained.out) as typeof told).checkpoints.every((c) => !c.equal));

  writeFileSync(run.recipe, recorded);
  writeFileSync(list, logged.replace(/(?<="sha256":")[0-9a-f]{8}/, '00000000'));
  const one = await tiefsuche(['replay', 'small', '--json'], home);
  assert.equal(one.status, 1);
  assert.deepEqual((JSON.parse(one.out) as typeof told).checkpoints.map((c) => c.equal), [false, true, true, true, true, true, true]);
});

test('two checkpoints of one step: both must hold the same state, and one must be met in full', () => {
  const at = (sha256: string, weights: string) => ({ what: 'checkpoint' as const, step: 5, sha256, files: { 'weights.safetensors': weights, 'optimizer.safetensors': 'o' } });
  assert.deepEqual(compareLogs([at('a', 'w'), at('b', 'w')], [at('b', 'w')]).map((c) => c.equal), [true, true]);
  assert.deepEqual(compareLogs([at('a', 'x'), at('b', 'w')], [at('b', 'w')]).map((c) => c.equal), [false, true]);
  assert.deepEqual(compareLogs([at('a', 'w')], [at('b', 'w')]).map((c) => c.equal), [false]);
  assert.deepEqual(compareLogs([at('a', 'w')], []).map((c) => c.equal), [false]);
});
