// Curves and thoughts of one run, followed while someone looks: only new rows are fetched, and a run that dropped rows (a
// resume after a crash) is read again.

import { type Signal, signal } from '@preact/signals';
import { type RunDetail, type RunSample, api } from '../api.ts';
import { runs } from '../parts/house.ts';
import { poll } from '../parts/poll.ts';

export type Row = Readonly<Record<string, unknown>> & { readonly step: number };

export interface RunData {
  readonly detail: Signal<RunDetail | null>;
  readonly rows: Signal<readonly Row[]>;
  readonly samples: Signal<readonly RunSample[]>;
  readonly missing: Signal<boolean>;
  follow(): () => void;
}

export function runData(name: string): RunData {
  const detail = signal<RunDetail | null>(null), rows = signal<readonly Row[]>([]), samples = signal<readonly RunSample[]>([]), missing = signal(false);
  let generation = '';
  return {
    detail, rows, samples, missing,
    follow: () => poll(async () => {
      if (runs.value === null) return 100;
      if (!runs.value.some((r) => r.name === name)) { // its folder is not there yet, or never was
        missing.value = true;
        return 500;
      }
      const [told, metrics, thoughts] = await Promise.all([api.run(name), api.metrics(name, rows.value.at(-1)?.step ?? -1, generation), api.samples(name)]);
      if (metrics.generation !== generation) rows.value = metrics.rows;
      else if (metrics.rows.length > 0) rows.value = [...rows.value, ...metrics.rows];
      generation = metrics.generation;
      if (thoughts.samples.length !== samples.value.length || samples.value.at(-1)?.step !== thoughts.samples.at(-1)?.step) samples.value = thoughts.samples;
      detail.value = told;
      missing.value = false;
      return told.run.status === 'running' ? 1000 : 2000; // someone may go on with it any time
    }),
  };
}
