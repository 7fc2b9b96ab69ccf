import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freeDiskBytes, requireFreeDisk } from '../durable-file.ts';
import { temporaryHome } from '../ledger/testing/sample-run.ts';
import { checkCheckpoint, checkpointsToKeep, listCheckpoints, pruneCheckpoints, saveCheckpoint } from './run-folder-checkpoints.ts';
import { MetricsFile, lastMetricsStep, readMetrics, withoutTime } from './run-folder-metrics.ts';
import { createRun, listRuns, openRun, tidyRun } from './run-folder.ts';
import { lockRun, runState } from './run-lock.ts';

const module = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href);

async function otherProcess(program: string): Promise<{ kill: () => Promise<unknown>; said: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [said] = (await once(child.stdout, 'data')) as [Buffer];
  return { said: String(said), kill: () => { child.kill('SIGKILL'); return once(child, 'exit'); } };
}

test('names are safe on every system', () => {
  const home = temporaryHome();
  for (const bad of ['', '.', '..', 'a/b', 'a\\b', '-x', 'x.', 'con', 'NUL.txt', 'ä', 'a b', 'x'.repeat(65)]) {
    assert.throws(() => createRun(bad, home), { code: 'USAGE' }, bad);
  }
  createRun('Good_name-1.5', home);
  assert.throws(() => createRun('Good_name-1.5', home), { code: 'EXISTS' });
  assert.throws(() => openRun('Godname-1.5', home), (e: { code: string; hint: string }) => e.code === 'NOT_FOUND' && /Good_name/.test(e.hint));
});

test('a living process keeps the run, a killed one does not', async () => {
  const home = temporaryHome();
  const run = createRun('locked', home);
  const child = await otherProcess(`
    const { lockRun } = await import(${module('./run-lock.ts')});
    console.log(lockRun(${JSON.stringify(run.attempts)}, 'locked').attempt);
    setInterval(() => {}, 1000);`);
  assert.equal(child.said.trim(), '1');
  assert.throws(() => lockRun(run.attempts, 'locked'), (e: { code: string; message: string; hint: string; exit: number }) =>
    e.code === 'LOCKED' && e.exit === 1 && /is being trained by process \d+/.test(e.message) && /--run/.test(e.hint));
  assert.equal(listRuns(home)[0]!.status, 'running');
  await child.kill();
  assert.equal(listRuns(home)[0]!.status, 'unfinished');
  const lock = lockRun(run.attempts, 'locked');
  assert.equal(lock.attempt, 2);
  assert.equal(runState(run.attempts).status, 'running');
  lock.end('aborted');
  assert.equal(runState(run.attempts).status, 'aborted');
  const third = lockRun(run.attempts, 'locked');
  third.end('completed');
  assert.deepEqual([runState(run.attempts).status, runState(run.attempts).attempts], ['finished', 3]);
});

test('of many processes that want one dead run, exactly one gets it', async () => {
  const home = temporaryHome();
  const run = createRun('wanted', home);
  const dead = await otherProcess(`const { lockRun } = await import(${module('./run-lock.ts')}); lockRun(${JSON.stringify(run.attempts)}, 'w'); console.log('x'); setInterval(() => {}, 1000);`);
  await dead.kill();
  const at = Date.now() + 2500;
  const crowd = await Promise.all(Array.from({ length: 5 }, () => otherProcess(`
    const { lockRun } = await import(${module('./run-lock.ts')});
    while (Date.now() < ${at});
    try { console.log('got', lockRun(${JSON.stringify(run.attempts)}, 'w').attempt); } catch (e) { console.log(e.code); }
    setInterval(() => {}, 1000);`)));
  assert.deepEqual(crowd.map((c) => c.said.trim()).sort(), ['LOCKED', 'LOCKED', 'LOCKED', 'LOCKED', 'got 2']);
  await Promise.all(crowd.map((c) => c.kill()));
});

test('a copied folder is a run of its own, a renamed one stays what it was', () => {
  const home = temporaryHome();
  const run = createRun('one', home);
  cpSync(run.path, join(home, 'runs/two'), { recursive: true });
  const copy = openRun('two', home);
  assert.notEqual(copy.id, run.id);
  assert.equal(openRun('two', home).id, copy.id);
  renameSync(run.path, join(home, 'runs/three'));
  assert.equal(openRun('three', home).id, run.id);
});

test('each step stands in metrics.jsonl once, also after a crash and a resume', () => {
  const run = createRun('steps', temporaryHome());
  const { metrics } = MetricsFile.open(run.metrics);
  for (let step = 1; step <= 9; step++) metrics.append({ step, loss: step === 3 ? Number.NaN : 1 / step, seconds: Math.random() });
  assert.throws(() => metrics.append({ step: 9, loss: 0 }), /internal error/);
  metrics.close();
  appendFileSync(run.metrics, '{"step":10,"lo');
  assert.equal(lastMetricsStep(run.metrics), 9);
  const resumed = MetricsFile.open(run.metrics, 6);
  assert.equal(resumed.dropped, 3);
  assert.throws(() => resumed.metrics.append({ step: 6 }), /internal error/);
  resumed.metrics.append({ step: 7, loss: 7 });
  resumed.metrics.close();
  const rows = readMetrics(run.metrics);
  assert.deepEqual(rows.map((r) => r.step), [1, 2, 3, 4, 5, 6, 7]);
  assert.equal(rows[2]!.loss, null);
  assert.deepEqual(withoutTime({ step: 1, loss: 2, seconds: 3, tokens_per_s: 4, joules: 5 }), { step: 1, loss: 2 });
  assert.equal(MetricsFile.open(run.metrics).dropped, 7);
  assert.equal(readFileSync(run.metrics, 'utf8'), '');
});

test('a checkpoint is there whole or not at all, and its hash depends on its files alone', async () => {
  const run = createRun('points', temporaryHome());
  const fill = (content: string) => (folder: string): void => {
    mkdirSync(join(folder, 'sub'));
    writeFileSync(join(folder, 'model.safetensors'), content);
    writeFileSync(join(folder, 'sub/state.json'), '{}');
  };
  const first = await saveCheckpoint(run.checkpoints, 10, fill('a'), 0.5);
  const same = await saveCheckpoint(run.checkpoints, 20, fill('a'), 0.9);
  assert.equal(first.sha256, same.sha256);
  await assert.rejects(saveCheckpoint(run.checkpoints, 30, (folder) => { fill('b')(folder); throw new Error('out of ideas'); }), /out of ideas/);
  assert.deepEqual(readdirSync(run.checkpoints), ['step-00000010', 'step-00000020']);
  await saveCheckpoint(run.checkpoints, 20, fill('c'), 0.7);
  mkdirSync(join(run.checkpoints, '.step-00000040.123.tmp'));
  tidyRun(run);
  assert.deepEqual(readdirSync(run.checkpoints), ['step-00000010', 'step-00000020']);
  const [, second] = listCheckpoints(run.checkpoints);
  assert.equal(second!.score, 0.7);
  await checkCheckpoint(second!);
  writeFileSync(join(second!.path, 'sub/state.json'), '{"x":1}');
  await assert.rejects(checkCheckpoint(second!), { code: 'CHECKPOINT', message: /sub\/state\.json is not what was saved/ });
});

test('the last two checkpoints and the best are kept', async () => {
  const point = (step: number, score: number | null = null): { step: number; score: number | null } => ({ step, score });
  const keep = { last: 2, best: true };
  const kept = (...all: { step: number; score: number | null }[]): number[] => [...checkpointsToKeep(all, keep)].sort((a, b) => a - b);
  assert.deepEqual(kept(), []);
  assert.deepEqual(kept(point(1)), [1]);
  assert.deepEqual(kept(point(3), point(1), point(2)), [2, 3]);
  assert.deepEqual(kept(point(1, 0.9), point(2, 0.5), point(3, 0.9), point(4), point(5)), [1, 4, 5]);
  assert.deepEqual([...checkpointsToKeep([point(1, 9), point(2), point(3)], { last: 1, best: false })], [3]);
  const run = createRun('kept', temporaryHome());
  for (const [step, score] of [[1, 0.1], [2, 0.8], [3, 0.2], [4, 0.3]] as const) await saveCheckpoint(run.checkpoints, step, (f) => writeFileSync(join(f, 'x'), 'x'), score);
  assert.deepEqual(pruneCheckpoints(run.checkpoints, keep).map((c) => c.step), [1]);
  assert.deepEqual(listCheckpoints(run.checkpoints).map((c) => c.step), [2, 3, 4]);
});

test('a disk that is too small is told before anything begins', () => {
  const home = join(temporaryHome(), 'not/yet/there');
  assert.ok(freeDiskBytes(home) > 0);
  assert.ok(!existsSync(home));
  requireFreeDisk(home, 1, 'this');
  assert.throws(() => requireFreeDisk(home, 1e18, 'training this model'), (e: { exit: number; message: string }) => e.exit === 3 && /training this model needs 1000000000\.0 GB/.test(e.message));
});
