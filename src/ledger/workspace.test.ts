import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { sampleAttempt, sampleFacts, sampleTick, temporaryHome } from './testing/sample-run.ts';
import { beginAttempt, closeDeadAttempts, indexPath, listAttempts, readAttempt } from './workspace.ts';
import { verifyLedger } from './verify.ts';
import { billOf } from './bill.ts';

async function writer(home: string, run: string, attempt: number): Promise<ChildProcess> {
  const program = fileURLToPath(new URL('./testing/sample-run.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', program, home, run, String(attempt)], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout!, 'data');
  return child;
}

test('SIGKILL in the middle of appends: nothing whole is lost, the next start closes the attempt, the cost stays', async () => {
  const home = temporaryHome();
  for (let attempt = 1; attempt <= 4; attempt++) {
    const child = await writer(home, 'killed-1', attempt);
    await new Promise((resolve) => setTimeout(resolve, 20 + attempt * 17));
    const { path } = listAttempts(home).find((a) => a.attempt === attempt)!;
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.equal(listAttempts(home).at(-1)!.writer, 'dead');
    // A kill lands between writes nearly always: cut into the last record, as a power failure does.
    const bytes = readFileSync(path);
    if (attempt % 2 === 0) writeFileSync(path, bytes.subarray(0, bytes.length - 40));
    const whole = bytes.toString().trimEnd().split('\n').length - (attempt % 2 === 0 ? 1 : 0);
    assert.deepEqual(verifyLedger(home).problems, []);

    const closed = closeDeadAttempts(home);
    assert.deepEqual(closed.map((a) => a.attempt), [attempt]);
    const said = readAttempt(path)!;
    assert.equal(said.ticks.length, whole - 1);
    assert.equal(said.end!.outcome, 'failed');
    assert.equal(said.end!.closed_by, 'successor');
    assert.equal(said.end!.step, said.ticks.at(-1)?.step ?? 0);
    const after = verifyLedger(home);
    assert.deepEqual([after.problems, after.notes], [[], []]);
    assert.equal(closeDeadAttempts(home).length, 0);
  }
  const ticks = listAttempts(home).reduce((sum, a) => sum + readAttempt(a.path)!.ticks.length, 0);
  assert.ok(ticks > 40, `only ${ticks} ticks were written`);
  assert.ok(Math.abs(billOf('killed', { home }).own.hours.value! - ticks) < 1e-6);
});

test('a living attempt is left alone', async () => {
  const home = temporaryHome();
  const child = await writer(home, 'alive-1', 1);
  assert.equal(closeDeadAttempts(home).length, 0);
  assert.equal(listAttempts(home)[0]!.writer, 'alive');
  assert.deepEqual(verifyLedger(home).problems, []);
  child.kill('SIGKILL');
  await once(child, 'exit');
});

test('many processes begin attempts at once: the index keeps one chain', async () => {
  const home = temporaryHome();
  const children = await Promise.all(Array.from({ length: 6 }, (_, i) => writer(home, `crowd${i}-1`, 1)));
  for (const child of children) child.kill('SIGKILL');
  await Promise.all(children.map((c) => once(c, 'exit')));
  assert.equal(listAttempts(home).length, 6);
  closeDeadAttempts(home);
  assert.deepEqual(verifyLedger(home).problems, []);
  assert.equal(listAttempts(home).filter((a) => a.closed).length, 6);
});

test('an attempt is recorded once; after its end nothing can be added', () => {
  const home = temporaryHome();
  const ledger = sampleAttempt(home, 'once-1', 2);
  assert.throws(() => beginAttempt(sampleFacts('once-1'), home), { code: 'LEDGER' });
  ledger.tick(sampleTick(3, { loss: Number.NaN }));
  ledger.end({ outcome: 'completed', step: 3, checkpoint_sha256: null, error: null });
  assert.throws(() => ledger.tick(sampleTick(4)), { code: 'LEDGER' });
  assert.equal(readAttempt(ledger.path)!.ticks.at(-1)!.loss, null);
  assert.deepEqual(verifyLedger(home).problems, []);
});

test('a tick costs well under a millisecond', () => {
  const home = temporaryHome();
  const ledger = sampleAttempt(home, 'quick-1', 100);
  const start = process.cpuUsage();
  for (let step = 101; step <= 1100; step++) ledger.tick(sampleTick(step));
  const { user, system } = process.cpuUsage(start);
  assert.ok((user + system) / 1e6 / 1000 < 1e-3, `${(user + system) / 1000} µs of processor time a tick`);
  ledger.end({ outcome: 'aborted', step: 1100, checkpoint_sha256: null, error: null });
  assert.ok(statSync(indexPath(home)).size > 0);
});
