// Training from the command line: progress, Ctrl-C, the summary at the end. Shared by train, quickstart, start and replay.
import { readFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { TiefsucheError } from '../errors.ts';
import { openBackend } from '../engine/backends/open.ts';
import { readPrices } from '../ledger/prices.ts';
import { readMetrics } from '../training/run-folder-metrics.ts';
import { openRun } from '../training/run-folder.ts';
import { type Summary, type TrainOptions, trainNew, trainOn } from '../training/train.ts';
import { onInterrupt, type Terminal } from './terminal.ts';
import { printSummary, trainingView } from './training-view.ts';

export interface TrainRequest {
  /** Path of the recipe; absent: the run goes on. */
  readonly recipe?: string | undefined;
  readonly run: string;
  readonly overrides?: readonly string[];
  readonly json: boolean;
}

export async function runTraining({ recipe, run, overrides = [], json }: TrainRequest, terminal: Terminal): Promise<Summary> {
  const stop = onInterrupt(), backend = openBackend();
  const options: TrainOptions = { backend, cancel: { get cancelled() { return stop.signal.aborted; } }, onEvent: trainingView() };
  try {
    let summary: Summary;
    if (recipe === undefined) summary = await trainOn(run, options);
    else {
      const path = resolve(recipe);
      summary = await trainNew(readRecipeFile(path), run, dirname(path), { ...options, overrides, recipeName: basename(path) });
    }
    if (json) terminal.print(JSON.stringify(summary));
    else {
      const rewards = readMetrics(openRun(run).metrics).flatMap((row) => (typeof row['reward'] === 'number' ? [row['reward']] : []));
      printSummary(summary, readPrices().prices.electricity_eur_per_kwh.value, rewards, terminal);
    }
    return summary;
  } finally {
    stop.release();
    backend.close();
  }
}

export function readRecipeFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new TiefsucheError('NOT_FOUND', `there is no recipe ${path}`, { cause, hint: 'Recipes that come with tiefsuche lie in its folder recipes/.' });
  }
}
