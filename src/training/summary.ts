// What a finished run came to. Time, tokens, FLOP and energy are added up from the ledger over all attempts, so work that a
// crash threw away is in them; accuracies come from the evaluations.

import { listAttempts, readAttempt } from '../ledger/workspace.ts';
import type { EvaluationResults } from './evaluation-points.ts';
import type { RunFolder } from '../runs/run-folder.ts';

export interface Summary {
  readonly run: string;
  readonly steps: number;
  readonly seconds: number;
  readonly tokens: { readonly trained: number; readonly sampled: number };
  readonly flop: { readonly model: number; readonly recompute: number; readonly sampling: number };
  readonly joules: { readonly value: number; readonly method: string };
  readonly before?: number;
  readonly after?: number;
  readonly after_without_thinking?: number;
  readonly families?: Readonly<Record<string, { readonly before: number | null; readonly after: number; readonly n: number; readonly interval: readonly [number, number] }>>;
}

export function summaryOf(run: Pick<RunFolder, 'id' | 'name'>, steps: number, results: EvaluationResults, home: string): Summary {
  const { before, after, after_without_thinking: without } = results;
  return {
    run: run.name, steps, ...workOf(run.id, home),
    ...(before && { before: before.mean }), ...(after && { after: after.mean }), ...(without && { after_without_thinking: without.mean }),
    ...(after && { families: Object.fromEntries(Object.entries(after.families).map(([task, a]) =>
      [task, { before: before?.families[task]?.accuracy ?? null, after: a.accuracy, n: a.n, interval: a.interval }])) }),
  };
}

function workOf(id: string, home: string): Pick<Summary, 'seconds' | 'tokens' | 'flop' | 'joules'> {
  const ticks = listAttempts(home).filter((a) => a.run === id).flatMap((a) => readAttempt(a.path)?.ticks ?? []);
  const sum = (of: (tick: (typeof ticks)[number]) => number): number => ticks.reduce((total, tick) => total + of(tick), 0);
  const methods = new Set(ticks.flatMap((t) => t.joules.map((j) => `${j.method} (${j.grade})`)));
  return {
    seconds: Number(sum((t) => t.seconds).toPrecision(6)),
    tokens: { trained: sum((t) => t.tokens.trained), sampled: sum((t) => t.tokens.sampled) },
    flop: { model: sum((t) => t.flop.model), recompute: sum((t) => t.flop.recompute), sampling: sum((t) => t.flop.sampling) },
    joules: { value: Math.round(sum((t) => t.joules.reduce((s, j) => s + (j.value ?? 0), 0))), method: [...methods].join(' + ') },
  };
}
