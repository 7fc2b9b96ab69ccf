// Training from the command line: progress, Ctrl-C, the summary at the end. Shared by train, quickstart, start and replay.
import { readFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { writeFileAtomic } from '../durable-file.ts';
import { TiefsucheError } from '../errors.ts';
import type { Backend } from '../engine/backend.ts';
import { openBackend } from '../engine/backends/open.ts';
import { homeFolder } from '../home.ts';
import { readPrices } from '../ledger/prices.ts';
import { planMemory } from '../training/memory-plan.ts';
import { readRecipe } from '../training/recipe-parts.ts';
import { type TimeEstimate, estimateTime } from '../training/time-estimate.ts';
import { readMetrics } from '../runs/run-folder-metrics.ts';
import { type RunFolder, checkRunName, openRun } from '../runs/run-folder.ts';
import { claimStart } from '../runs/run-start.ts';
import { type Summary, type TrainEvent, type TrainOptions, trainNew, trainOn } from '../training/train.ts';
import { duration } from './figures.ts';
import { onInterrupt, type Terminal } from './terminal.ts';
import { printSummary, trainingView } from './training-view.ts';

export interface TrainRequest {
  /** Path of the recipe; absent: the run goes on. */
  readonly recipe?: string | undefined;
  readonly run: string;
  readonly overrides?: readonly string[];
  readonly json: boolean;
  /** Says first how long it will take on this machine. */
  readonly expectTime?: boolean;
}

export async function runTraining({ recipe, run, overrides = [], json, expectTime = false }: TrainRequest, terminal: Terminal): Promise<Summary> {
  checkRunName(run);
  const stop = onInterrupt(), starting = claimStart(run), backend = openBackend(), view = trainingView();
  let begins = true;
  const begun = (): void => { if (begins) starting.end(); begins = false; };
  const onEvent = (event: TrainEvent): void => { begun(); view(event); }; // from its first event on it holds the run's own lock
  const cancel = { get cancelled() { return stop.signal.aborted; } }, options: TrainOptions = { backend, cancel, onEvent };
  try {
    let summary: Summary;
    if (recipe === undefined) summary = await trainOn(run, options);
    else {
      const path = resolve(recipe);
      const expected = expectTime ? await sayExpectedTime(path, overrides, backend, cancel) : null;
      const made = ({ expected: file }: RunFolder): void => { if (expected) writeFileAtomic(file, `${JSON.stringify(expected)}\n`); };
      summary = await trainNew(readRecipeFile(path), run, dirname(path), { ...options, overrides, recipeName: basename(path), begun: made });
    }
    if (json) terminal.print(JSON.stringify(summary));
    else {
      const rewards = readMetrics(openRun(run).metrics).flatMap((row) => (typeof row['reward'] === 'number' ? [row['reward']] : []));
      printSummary(summary, readPrices().prices.electricity_eur_per_kwh.value, rewards, terminal);
    }
    return summary;
  } finally {
    begun();
    stop.release();
    backend.close();
  }
}

/** One line before a new run: measured with a few steps of it. */
async function sayExpectedTime(path: string, overrides: readonly string[], backend: Backend, cancel: { readonly cancelled: boolean }): Promise<TimeEstimate> {
  const recipe = readRecipe(readRecipeFile(path), { name: basename(path), overrides }), home = homeFolder();
  const plan = await planMemory(recipe, dirname(path), home, backend.info().threads, process.memoryUsage.rss());
  const estimate = await estimateTime(backend, recipe, dirname(path), home, plan, { cancel });
  const { isa, threads } = backend.info();
  process.stderr.write(`about ${duration(estimate.seconds)} on this machine (${isa}, ${threads} ${threads === 1 ? 'thread' : 'threads'}; measured with a few steps)\n`);
  return estimate;
}

export function readRecipeFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new TiefsucheError('NOT_FOUND', `there is no recipe ${path}`, { cause, hint: 'Recipes that come with tiefsuche lie in its folder recipes/.' });
  }
}
