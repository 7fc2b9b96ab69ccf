import { test } from 'node:test';
import assert from 'node:assert/strict';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../durable-file.ts';
import { temporaryHome } from '../ledger/testing/sample-run.ts';
import { MetricsFollower } from './metrics-follower.ts';

test('a growing file is read on; a torn row waits; a file that was replaced is read anew', () => {
  const path = join(temporaryHome(), 'metrics.jsonl'), follower = new MetricsFollower(path), steps = (): number[] => follower.read().map((r) => r.step);
  assert.deepEqual(steps(), []);
  writeFileSync(path, '{"step":1}\n{"step":2}\n{"st');
  assert.deepEqual(steps(), [1, 2]);
  const { generation } = follower;
  appendFileSync(path, 'ep":3,"why":"ä"}\nnonsense\n{"step":4}\n');
  assert.deepEqual(steps(), [1, 2, 3, 4]);
  assert.equal(follower.generation, generation);
  writeFileAtomic(path, '{"step":1}\n{"step":2}\n');
  assert.deepEqual(steps(), [1, 2]);
  assert.notEqual(follower.generation, generation);
  writeFileSync(path, '{"step":1}\n');
  assert.deepEqual(steps(), [1], 'a shorter file, too');
});
