// Runs as the studio shows them, read from their folders and the ledger alone, so that it does not matter whether who
// trains them is alive. What is expensive to read (metrics, ledger) is kept until it changes.

import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { runsFolder } from '../../home.ts';
import { readPrices } from '../../ledger/prices.ts';
import { listAttempts, readAttempt } from '../../ledger/workspace.ts';
import { latestCheckpoint } from '../../models/formats/checkpoint-folder.ts';
import { MetricsFollower } from '../../runs/metrics-follower.ts';
import { type RunFolder, type RunInfo, listRuns, openRun } from '../../runs/run-folder.ts';
import type { MetricsRow } from '../../runs/run-folder-metrics.ts';
import { type RunSample, readSamples } from '../../runs/run-samples.ts';
import { type Expected, secondsLeft, stagesOf } from './run-progress.ts';
import type { RunMetrics, RunReport } from './run-report.ts';

interface Totals { seconds: number; trained: number; sampled: number; joules: number | null; method: string; why: string; modelType: string | null; parameters: number | null }

const ledgerEvery = 4000; // ms between two readings of an attempt that is being written

export class RunReader {
  private readonly home: string;
  private readonly followers = new Map<string, MetricsFollower>();
  private readonly sampled = new Map<string, { changed: number; samples: readonly RunSample[] }>();
  private readonly attempts = new Map<string, { size: number; at: number; totals: Totals }>();

  constructor(home: string) { this.home = home; }

  list(): RunReport[] {
    const totals = this.totals();
    return listRuns(this.home).map((info) => this.report(info, totals.get(info.id)));
  }

  run(name: string): RunFolder { return openRun(name, this.home); }

  one(name: string): RunReport {
    const { name: known } = this.run(name);
    return this.list().find((r) => r.name === known)!;
  }

  metrics(name: string, after: number, generation: string): RunMetrics {
    const follower = this.follower(this.run(name).metrics), rows = follower.read(), from = generation === follower.generation ? after : -1;
    return { generation: follower.generation, from, rows: rows.slice(firstAfter(rows, from)) as RunMetrics['rows'] };
  }

  samples(name: string): readonly RunSample[] { return this.samplesIn(this.run(name).samples); }

  /** The end of what its process said, for when it failed. */
  log(name: string): string { return readWords(logPath(this.home, name)); }

  private follower(path: string): MetricsFollower {
    const follower = this.followers.get(path) ?? new MetricsFollower(path);
    this.followers.set(path, follower);
    return follower;
  }

  private report(info: RunInfo, totals: Totals | undefined): RunReport {
    const { name, id, path, status, attempts, firstStarted, lastEnded } = info, rows = this.follower(join(path, 'metrics.jsonl')).read();
    const recipe = readRecipeStages(path), stages = stagesOf(recipe, rows), expected = readJson<Expected>(join(path, 'expected.json'));
    const last = rows.at(-1), stage = last ? Number.parseInt(String(last['stage']), 10) : null;
    const total = recipe.every((s) => s.steps !== null) ? recipe.reduce((n, s) => n + s.steps!, 0) : null;
    const price = readPrices(this.home).prices.electricity_eur_per_kwh.value, joules = totals?.joules ?? null;
    return {
      name, id, status, attempts, begun: firstStarted, ended: lastEnded, step: last?.step ?? null, total_steps: total, stages, stage,
      why: totals?.why ?? '', model_type: totals?.modelType ?? null, parameters: totals?.parameters ?? null,
      seconds: totals?.seconds ?? 0, tokens_trained: totals?.trained ?? 0, tokens_sampled: totals?.sampled ?? 0,
      joules, joules_method: totals?.method ?? '', euro: joules === null ? null : (joules / 3.6e6) * price, euro_per_kwh: price,
      seconds_left: status === 'running' ? secondsLeft(stages, stage, rows, expected) : null,
      accuracy: this.samplesMean(path), talks: existsSync(join(path, 'final', 'config.json')) || latestCheckpoint(path) !== null,
    };
  }

  private samplesIn(folder: string): readonly RunSample[] {
    const changed = statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? 0, known = this.sampled.get(folder);
    if (known?.changed === changed) return known.samples;
    const samples = readSamples(folder);
    this.sampled.set(folder, { changed, samples });
    return samples;
  }

  private samplesMean(path: string): number | null {
    return this.samplesIn(join(path, 'samples')).findLast((s) => s.mean !== undefined && s.label !== 'after_without_thinking')?.mean ?? null;
  }

  /** By run, over all its attempts. */
  private totals(): Map<string, Totals> {
    const all = new Map<string, Totals>(), now = Date.now();
    for (const { path, run } of listAttempts(this.home)) {
      const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0, kept = this.attempts.get(path);
      const fresh = kept && (kept.size === size || now - kept.at < ledgerEvery) ? kept.totals : attemptTotals(path);
      if (!fresh) continue;
      if (fresh !== kept?.totals) this.attempts.set(path, { size, at: now, totals: fresh });
      const sum = all.get(run);
      all.set(run, sum ? {
        ...fresh, seconds: sum.seconds + fresh.seconds, trained: sum.trained + fresh.trained, sampled: sum.sampled + fresh.sampled,
        joules: sum.joules === null || fresh.joules === null ? null : sum.joules + fresh.joules,
      } : fresh);
    }
    return all;
  }
}

/** Where what the process of a run says is kept; beside the folder, which it makes itself. */
export const logPath = (home: string, name: string): string => join(runsFolder(home), `.${name}.log`);

/** The end of such a file, without colours. */
export const readWords = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8').replace(/\x1b\[[0-9;]*[A-Za-z]/g, '').slice(-4000) : '');

function attemptTotals(path: string): Totals | null {
  const said = readAttempt(path);
  if (!said) return null;
  const { start, ticks } = said, sum = (of: (tick: (typeof ticks)[number]) => number): number => ticks.reduce((n, tick) => n + of(tick), 0);
  const readings = ticks.flatMap((t) => t.joules), methods = new Set(readings.map((j) => `${j.method} (${j.grade})`));
  return {
    seconds: sum((t) => t.seconds), trained: sum((t) => t.tokens.trained), sampled: sum((t) => t.tokens.sampled),
    joules: readings.some((j) => j.value === null) ? null : readings.reduce((n, j) => n + j.value!, 0), method: [...methods].join(' + '),
    why: start.why, modelType: start.model?.type ?? null, parameters: start.model?.params_total ?? null,
  };
}

function readRecipeStages(path: string): { method: string; steps: number | null }[] {
  try {
    const { stages } = parse(readFileSync(join(path, 'recipe.yaml'), 'utf8')) as { stages: { method: string; steps?: unknown }[] };
    return stages.map(({ method, steps }) => ({ method, steps: typeof steps === 'number' ? steps : null }));
  } catch {
    return [];
  }
}

function readJson<T>(path: string): T | null {
  try { return JSON.parse(readFileSync(path, 'utf8')) as T; } catch { return null; }
}

function firstAfter(rows: readonly MetricsRow[], step: number): number {
  let low = 0, high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle]!.step <= step) low = middle + 1;
    else high = middle;
  }
  return low;
}
