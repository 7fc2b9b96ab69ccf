import { test } from 'node:test';
import assert from 'node:assert/strict';
import { billOf } from './bill.ts';
import { sampleAttempt, sampleTick, temporaryHome } from './testing/sample-run.ts';

const done = { outcome: 'completed', step: 1, checkpoint_sha256: null, error: null } as const;
const near = (a: number | null | undefined, b: number): void => assert.ok(Math.abs(a! - b) < 1e-9, `${a} is not ${b}`);

test('failed attempts, trials and the runs it grew from are in the bill; each figure has a grade', async () => {
  const home = temporaryHome();
  sampleAttempt(home, 'base-1', 3).end({ ...done, outcome: 'failed' });
  const base = sampleAttempt(home, 'base-1', 4, 2);
  base.end(done);
  sampleAttempt(home, 'trial-1', 2).end({ ...done, outcome: 'aborted' });
  await new Promise((resolve) => setTimeout(resolve, 5));
  const parents = [
    { relation: 'weights', run: 'base-1' }, { relation: 'trial', run: 'trial-1' }, { relation: 'weights', run: null, path: '/models/x', name: 'x' },
  ] as const;
  sampleAttempt(home, 'child-1', 1, 1, { parents: [...parents] }).end({ ...done, outcome: 'failed' });
  sampleAttempt(home, 'child-1', 5, 2, { parents: [...parents] }).end(done);
  await new Promise((resolve) => setTimeout(resolve, 5));
  // The base goes on after the child began: none of that led to the child.
  sampleAttempt(home, 'base-1', 50, 3).end(done);

  const bill = billOf('child', { home });
  near(bill.own.hours.value, 6);
  assert.deepEqual(bill.own.outcomes, { completed: 1, failed: 1, aborted: 0, running: 0 });
  assert.deepEqual(bill.before.map((b) => [b.name, b.relation, Math.round(b.cost.hours.value!)]), [['base', 'weights', 7], ['trial', 'trial', 2]]);
  near(bill.total.hours.value, 15);
  near(bill.total.kwh.value, 15);
  near(bill.total.euro_electricity.value, 7.5);
  near(bill.total.euro_hardware!.value, 1.5);
  near(bill.total.gco2.value, 6000);
  near(bill.total.flop_model.value, 15e9);
  near(bill.total.flop_recompute.value, 15e8);
  near(bill.total.flop_sampling.value, 15e7);
  assert.deepEqual([bill.total.kwh.grade, bill.total.hours.grade, bill.total.flop_model.grade, bill.total.euro_hardware!.grade, bill.total.gco2.grade],
    ['estimated', 'measured', 'counted', 'declared', 'estimated']);
  assert.deepEqual(bill.notes, ['what x cost was not recorded here and is not in the total']);
  near(billOf('child', { home, eurPerKwh: 1 }).total.euro_electricity.value, 15);
});

test('a run that two ways lead to is counted once', () => {
  const home = temporaryHome();
  sampleAttempt(home, 'root-1', 1).end(done);
  for (const name of ['left-1', 'right-1']) sampleAttempt(home, name, 1, 1, { parents: [{ relation: 'weights', run: 'root-1' }] }).end(done);
  sampleAttempt(home, 'top-1', 1, 1, { parents: [{ relation: 'weights', run: 'left-1' }, { relation: 'data', run: 'right-1' }] }).end(done);
  near(billOf('top', { home }).total.hours.value, 4);
});

test('a gap in the readings is told, an unknown run is refused with the nearest name', () => {
  const home = temporaryHome();
  const ledger = sampleAttempt(home, 'gappy-1', 1);
  ledger.tick(sampleTick(2, { joules: [{ method: 'rapl', grade: 'measured', value: null, note: 'not readable any more' }] }));
  ledger.end(done);
  assert.match(billOf('gappy', { home }).own.kwh.basis, /1 ticks without a reading/);
  assert.throws(() => billOf('gapy', { home }), (e: { hint: string; exit: number }) => e.hint === 'did you mean "gappy"?' && e.exit === 2);
});
