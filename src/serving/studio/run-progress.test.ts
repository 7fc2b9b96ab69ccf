import { test } from 'node:test';
import assert from 'node:assert/strict';
import { secondsLeft, stagesOf } from './run-progress.ts';

const recipe = [{ method: 'sft', steps: 10 }, { method: 'sft', steps: 10 }, { method: 'grpo', steps: 5 }];
const rows = (n: number, seconds: number): { step: number; stage: string; seconds: number }[] => Array.from({ length: n }, (_, i) => ({ step: i + 1, stage: i < 10 ? '0.sft' : i < 20 ? '1.sft' : '2.grpo', seconds }));
const expected = { stages: [{ method: 'sft', secondsPerStep: 1 }, { method: 'sft', secondsPerStep: 1 }, { method: 'grpo', secondsPerStep: 7 }], evaluations: { seconds: 50 } };

test('time left: own speed, that of an earlier stage alike, what was expected; unknown is said', () => {
  const left = (n: number, at: number | null, known = expected as typeof expected | null): number | null => secondsLeft(stagesOf(recipe, rows(n, 2)), at, rows(n, 2), known);
  assert.equal(left(0, null), 10 + 10 + 35 + 50);
  assert.equal(left(5, 0), 5 * 2 + 10 * 2 + 5 * 7 + 50 * (20 / 25));
  assert.equal(left(20, 1), 5 * 7 + 50 * (5 / 25));
  assert.equal(left(25, 2), 0);
  assert.equal(left(5, 0, null), null, 'nobody knows how long reinforcement takes');
  assert.deepEqual(stagesOf(recipe, rows(12, 1)).map((s) => s.from), [1, 11, null]);
  assert.equal(secondsLeft(stagesOf([{ method: 'sft', steps: null }], []), null, [], expected), null);
});
