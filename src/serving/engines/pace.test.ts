import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Pace } from './pace.ts';

test('an engine beside a trainer rests as its share says, never long at once, and not for less than a timer knows', async () => {
  const rested = async (pace: Pace, seconds: number): Promise<number> => {
    const begun = performance.now();
    await pace.after(seconds);
    return performance.now() - begun;
  };
  assert.ok(await rested(new Pace(0.25), 0.01) >= 28, 'three times as long as it computed');
  assert.equal(await new Pace(0.25).after(0.0002), false);
  assert.equal(await new Pace(1).after(5), false);
  const long = new Pace(0.25);
  assert.ok(await rested(long, 60) >= 98);
  assert.equal(await long.after(0), false, 'what was not rested in time is forgiven');
});
