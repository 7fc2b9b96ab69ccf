// What the records of a run cost: training steps with their row of metrics, energy readings and ticks of the ledger, as a
// run writes them, on a real disk. `share` is all time spent on records over all time; the bar is 1 %.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { recordAttempt } from '../src/ledger/record-attempt.ts';
import { MetricsFile } from '../src/runs/run-folder-metrics.ts';
import { RunRecord } from '../src/training/run-record.ts';
import { median } from './machine.ts';
import { openTrain } from './train.ts';

export async function benchLedger(name: string, { threads, steps }: { threads: number; steps: number }): Promise<Record<string, unknown>> {
  const home = mkdtempSync(join(tmpdir(), 'tiefsuche-bench-')), bench = openTrain(name, threads);
  try {
    const { metrics } = MetricsFile.open(join(home, 'metrics.jsonl'));
    const record = new RunRecord(1, metrics, recordAttempt({ run: 'bench-aaaaaa', name: 'bench', attempt: 1, why: 'a benchmark', seeds: { recipe: 0 }, recipe: { name: 'bench' } }, home));
    await bench.step();
    const records: number[] = [], all: number[] = [];
    for (let step = 1; step <= steps; step++) {
      const start = performance.now();
      await bench.step();
      const trained = performance.now();
      record.step(step, '0.grpo', {
        loss: 0.5 / step, trained: bench.tokens, sampled: 0, flops: { model: bench.flop(), recompute: 0, sampling: 0 },
        metrics: { reward: 0.5, dead_groups: 0.25, length: 31.5, cut_off: 0.01, entropy: 0.4, grad_norm: 1.25, learning_rate: 1e-3 },
      }, (trained - start) / 1000);
      records.push(performance.now() - trained);
      all.push(performance.now() - start);
    }
    record.end({ outcome: 'completed', checkpoint_sha256: null, error: null });
    record.close();
    const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
    return {
      model: name, threads, steps, step_ms: Number(median(all).toFixed(2)), records_ms: Number(median(records).toFixed(3)), records_ms_most: Number(Math.max(...records).toFixed(2)),
      share: Number((sum(records) / sum(all)).toPrecision(3)),
    };
  } finally {
    bench.close();
    rmSync(home, { recursive: true, force: true });
  }
}
