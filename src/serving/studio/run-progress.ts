// How far a run is and how long it still takes: a stage's own recent steps where it has some, else those of an earlier
// stage of the same method, else what was expected before the run began.

import type { MetricsRow } from '../../runs/run-folder-metrics.ts';
import type { RunReport } from './run-report.ts';

/** expected.json in the run's folder. */
export interface Expected {
  readonly stages: readonly { readonly method: string; readonly secondsPerStep: number }[];
  readonly evaluations: { readonly seconds: number };
}

type Stages = RunReport['stages'];

const stageIndex = (row: MetricsRow): number => Number.parseInt(String(row['stage']), 10);

export function stagesOf(recipe: readonly { method: string; steps: number | null }[], rows: readonly MetricsRow[]): Stages {
  const from = new Map<number, number>();
  for (const row of rows) if (!from.has(stageIndex(row))) from.set(stageIndex(row), row.step);
  return recipe.map(({ method, steps }, i) => ({ method, steps, from: from.get(i) ?? null }));
}

const recent = 40; // steps whose mean is a stage's speed

export function secondsLeft(stages: Stages, current: number | null, rows: readonly MetricsRow[], expected: Expected | null): number | null {
  const speed = (index: number): number | null => {
    const own = rows.filter((row) => stageIndex(row) === index && typeof row['seconds'] === 'number').slice(-recent);
    return own.length > 0 ? own.reduce((sum, row) => sum + Number(row['seconds']), 0) / own.length : null;
  };
  const step = rows.at(-1)?.step ?? 0;
  let left = 0, done = 0, whole = 0;
  for (const [index, { method, steps, from }] of stages.entries()) {
    if (steps === null) return null;
    const made = current === null || index > current ? 0 : index < current ? steps : step - (from ?? step) + 1;
    whole += steps;
    done += made;
    if (made >= steps) continue;
    const alike = stages.findIndex((s, i) => i < index && s.method === method && s.from !== null);
    const perStep = speed(index) ?? (alike < 0 ? null : speed(alike)) ?? expected?.stages[index]?.secondsPerStep ?? null;
    if (perStep === null) return null;
    left += (steps - made) * perStep;
  }
  return left + (expected?.evaluations.seconds ?? 0) * (1 - done / Math.max(1, whole));
}
