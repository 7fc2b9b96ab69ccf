// recipes/tiny-sequence.yaml: a model that others made, on their Parquet prompts; reinforcement raises its reward.
// Greedy accuracy on the 200 unseen prompts is reported, not tested: its interval is wider than 60 steps move it.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openBackend } from '../../src/engine/backends/open.ts';
import { openRun } from '../../src/runs/run-folder.ts';
import { readMetrics } from '../../src/runs/run-folder-metrics.ts';
import { trainNew } from '../../src/training/train.ts';

const recipes = fileURLToPath(new URL('../../recipes/', import.meta.url));

test('reinforcement improves a tiny real model on digit sequences', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'tiefsuche-digits-')), backend = openBackend();
  try {
    const { before, after } = await trainNew(readFileSync(join(recipes, 'tiny-sequence.yaml'), 'utf8'), 'digits', recipes, { backend, home });
    const rewards = readMetrics(openRun('digits', home).metrics).flatMap((row) => (typeof row['reward'] === 'number' ? [row['reward']] : []));
    const mean = (part: readonly number[]): number => part.reduce((a, b) => a + b, 0) / part.length;
    const [early, late] = [mean(rewards.slice(0, 10)), mean(rewards.slice(-10))];
    t.diagnostic(`reward ${early.toFixed(3)} to ${late.toFixed(3)}; accuracy ${before} to ${after}`);
    assert.ok(late > early + 0.05, `reward ${early} to ${late}`);
  } finally {
    backend.close();
    rmSync(home, { recursive: true, force: true });
  }
});
