// What goes wrong in training is told with a code and nothing is lost: numbers that blow up, a disk that fills, a model
// that does not fit, recipes with mistakes.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryHome } from '../src/ledger/testing/sample-run.ts';
import { listAttempts, readAttempt } from '../src/ledger/workspace.ts';
import { checkCheckpoint, listCheckpoints } from '../src/runs/run-folder-checkpoints.ts';
import { readMetrics } from '../src/runs/run-folder-metrics.ts';
import { listRuns, openRun } from '../src/runs/run-folder.ts';
import { essence, smallRecipe, tiefsuche, trainArguments } from './interrupted-run.ts';

const errorOf = (err: string): { code: string; message: string; hint?: string } =>
  (JSON.parse(err.trim().split('\n').at(-1)!) as { error: { code: string; message: string; hint?: string } }).error;

const data = '{tasks: [{task: calendar}]}';
const twoStages = (lr: string): string => smallRecipe('llama').replace(/stages:[^]*evaluation:.*\n/, `stages:
  - {method: sft, data: ${data}, steps: 4, batch: 8}
  - {method: sft, data: ${data}, steps: 6, batch: 8, optimizer: {lr: ${lr}, clip: 0}, schedule: {warmup: 0}}
`);

test('an absurd learning rate: the step and the op are named, the last good checkpoint stays, a mended recipe goes on', async () => {
  const home = temporaryHome(), args = trainArguments(home, twoStages('1e25'));
  const { status, err } = await tiefsuche(args, home), { code, message } = errorOf(err);
  assert.equal(status, 4, err);
  assert.equal(code, 'NUMERICS');
  assert.match(message, /^in step 6 \(sft\) the .* is NaN: op \w+ \(command \d+ of \d+\) has (-?Infinity|NaN) in \S/);
  const run = openRun('small', home), [last, ...more] = listCheckpoints(run.checkpoints).reverse();
  assert.equal(last!.step, 4, `${more.length} others`);
  await checkCheckpoint(last!);
  const end = listAttempts(home).map((a) => readAttempt(a.path)!.end!).at(-1)!;
  assert.deepEqual([end.outcome, end.error!.code, end.checkpoint_sha256], ['failed', 'NUMERICS', last!.sha256]);
  writeFileSync(run.recipe, readFileSync(run.recipe, 'utf8').replace(/lr: 1(\.0*)?e\+?25|lr: 10000000000000000905969664/, 'lr: 1e-3'));
  assert.equal((await tiefsuche(args, home)).status, 0);
  assert.deepEqual(readMetrics(run.metrics).map((r) => r.step), Array.from({ length: 10 }, (_, i) => i + 1));
});

test('weights that overflow are not saved', async () => {
  const home = temporaryHome(), { status, err } = await tiefsuche(trainArguments(home, `${twoStages('1e30').replace('every: 7', 'every: 1')}`), home);
  assert.equal(status, 4, err);
  assert.match(errorOf(err).message, /overflowed in step 5 and were not saved/);
  assert.equal(listCheckpoints(openRun('small', home).checkpoints).at(-1)!.step, 4);
});

test('a full disk: a clear error, the checkpoint before stays, and the same bytes once there is room', { skip: process.platform === 'win32' && 'no file size limit' }, async () => {
  const home = temporaryHome(), quiet = join(home, 'quiet'), full = join(home, 'full'), recipe = smallRecipe('llama', { sft: 20, grpo: 2, every: 6 });
  assert.equal((await tiefsuche(trainArguments(quiet, recipe), quiet)).status, 0);
  const args = trainArguments(full, recipe);
  assert.equal((await tiefsuche(args, full, { env: { TIEFSUCHE_TEST_FAULT: 'step.done:14' } })).signal, 'SIGKILL');
  const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url)); // no file may grow beyond 100 KB
  const { status, stderr } = spawnSync('bash', ['-c', 'ulimit -f 100 && exec "$@"', 'bash', process.execPath, '--import', 'tsx', main, ...args], { encoding: 'utf8', env: { ...process.env, TIEFSUCHE_HOME: full } });
  assert.equal(status, 3, stderr);
  assert.equal(errorOf(stderr).code, 'DISK');
  const checkpoints = listCheckpoints(openRun('small', full).checkpoints);
  assert.equal(checkpoints.at(-1)!.step, 12);
  await checkCheckpoint(checkpoints.at(-1)!);
  assert.equal((await tiefsuche(args, full)).status, 0);
  assert.deepEqual(await essence(full), await essence(quiet));
});

test('a model that does not fit is refused with the table, before anything is allocated', async () => {
  const home = temporaryHome(), recipe = smallRecipe('llama').replace('hidden_size: 48', 'hidden_size: 49152').replace('intermediate_size: 96', 'intermediate_size: 196608');
  const { status, err } = await tiefsuche(trainArguments(home, recipe), home), { code, message } = errorOf(err);
  assert.deepEqual([status, code], [3, 'MEMORY'], err);
  for (const row of ['weights', 'gradients', 'optimiser', 'arena', 'kernels', 'saving', 'JavaScript', 'Node and program']) assert.match(message, new RegExp(`^ *${row} +[\\d.]+ MiB`, 'm'));
  const planned = await tiefsuche(['train', join(home, 'small.yaml'), '--plan'], home);
  assert.equal(planned.status, 3);
  assert.match(planned.out, /does not fit/);
});

test('mistakes in a recipe are told together, with lines and what was probably meant; no run begins', async () => {
  const home = temporaryHome();
  const recipe = smallRecipe('llama').replace('batch: 16', 'batch: many').replace('prompts: 6', 'promts: 6').replace('heldout_every', 'holdout_every').replace('task: calendar, difficulty: 1}], languages: [en]}, n: 12', 'task: calender}]}, n: 12');
  const { status, err } = await tiefsuche(trainArguments(home, recipe), home), { code, message } = errorOf(err);
  assert.deepEqual([status, code], [2, 'CONFIG'], err);
  for (const expected of [/:\d+: stages\.0\.batch: expected a whole number, got "many"/, /promts: there is no such key; did you mean "prompts"\?/, /holdout_every: there is no such key; did you mean "heldout_every"\?/, /"calender"; did you mean "calendar"\?/]) assert.match(message, expected);
  assert.deepEqual(listRuns(home), []);
  const missing = await tiefsuche(trainArguments(home, `${smallRecipe('llama').replace(/stages:[^]*evaluation:.*\n/, 'stages:\n  - {method: sft, data: {file: nowhere.jsonl}, steps: 2}\n')}`, 'other'), home);
  assert.equal(errorOf(missing.err).code, 'NOT_FOUND');
  const trial = await tiefsuche(trainArguments(home, smallRecipe('llama').replace('seed: 3', 'seed: 3\nbuilds_on: [smal]'), 'third'), home);
  assert.match(errorOf(trial.err).message, /builds_on: there is no run called "smal"/);
});
