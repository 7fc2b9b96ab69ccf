// When a run is evaluated, and what is kept of it. Reinforcement is measured before, now and then, and after; the end also
// without thinking. A point is due until its result is there, so a run that was killed in an evaluation does it again.

import type { Evaluation } from './evaluation.ts';
import type { TrainingRecipe } from './recipe-parts.ts';
import type { MetricsRow } from '../runs/run-folder-metrics.ts';

export type EvaluationLabel = 'before' | 'between' | 'after' | 'after_without_thinking';

export interface EvaluationPoint {
  readonly label: EvaluationLabel;
  /** Its name among the results. */
  readonly key: string;
  /** Problems a family. */
  readonly n: number;
}

export interface EvaluationResult {
  readonly step: number;
  readonly mean: number;
  readonly families: Readonly<Record<string, { readonly accuracy: number; readonly n: number; readonly interval: readonly [number, number] }>>;
}

export type EvaluationResults = Readonly<Record<string, EvaluationResult>>;

/** Points that belong to the place where the run stands: after `stageStep` steps of `stage`, which may be `over`. */
export function pointsAt({ stages, evaluation }: TrainingRecipe, { step, stage, stageStep, over }: { step: number; stage: number; stageStep: number; over: boolean }): EvaluationPoint[] {
  const { problems, n, n_between, every, at_start } = evaluation;
  if (!problems) return [];
  const last = stage === stages.length - 1;
  if (at_start && stage === 0 && stageStep === 0) return [{ label: 'before', key: 'before', n }];
  if (!over) return stages[stage]!.method === 'grpo' && every > 0 && stageStep > 0 && stageStep % every === 0 ? [{ label: 'between', key: `step ${step}`, n: n_between }] : [];
  return [
    ...(stages[stage + 1]?.method === 'grpo' ? [{ label: 'before', key: 'before', n } as const] : []),
    ...(last ? [{ label: 'after', key: 'after', n } as const] : []),
    ...(last && problems.tasks.some((t) => t.thinking ?? t.file === undefined) ? [{ label: 'after_without_thinking', key: 'after_without_thinking', n } as const] : []),
  ];
}

export function resultOf(evaluation: Evaluation, step: number): EvaluationResult {
  return { step, mean: evaluation.mean, families: Object.fromEntries(evaluation.families.map(({ task, accuracy, n, interval }) => [task, { accuracy, n, interval }])) };
}

/** What a checkpoint at this step scores: the accuracy measured there, if it was. */
export function scoreAt(results: EvaluationResults, step: number): number | null {
  return Object.entries(results).find(([key, r]) => r.step === step && key !== 'after_without_thinking')?.[1].mean ?? null;
}

/** Rows of metrics with the accuracy where one was measured, for the curves. */
export function withAccuracy(rows: readonly MetricsRow[], results: EvaluationResults): MetricsRow[] {
  return rows.map((row) => {
    const accuracy = scoreAt(results, row.step);
    return accuracy === null ? row : { ...row, accuracy };
  });
}
