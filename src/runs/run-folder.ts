// The folder of a run, $TIEFSUCHE_HOME/runs/NAME/: plain files that can be read while the run is going on, or years later.
//   run.json       id and name              attempts/   one file per attempt; the highest is the lock
//   recipe.yaml    resolved                 checkpoints/, checkpoints.jsonl (their hashes), model/ (what they have in common)
//   metrics.jsonl  one row per step         samples/, final/ (Hugging Face), summary.json, curves.svg, expected.json (time)
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { makeFolder, removeLeftovers, writeFileAtomic } from '../durable-file.ts';
import { TiefsucheError } from '../errors.ts';
import { homeFolder, runsFolder } from '../home.ts';
import { nearest } from '../nearest.ts';
import { lastMetricsStep } from './run-folder-metrics.ts';
import { runState, type RunState } from './run-lock.ts';

export interface RunFolder {
  /** Unique in this workspace even when a name is used again; the ledger knows the run by it. */
  readonly id: string;
  readonly name: string;
  readonly path: string;
  readonly recipe: string;
  readonly metrics: string;
  readonly attempts: string;
  readonly checkpoints: string;
  readonly final: string;
  /** A Hugging Face folder without weights: with those of a checkpoint it is a model. */
  readonly model: string;
  /** How long it was expected to take, measured before it began. */
  readonly expected: string;
  readonly samples: string;
  readonly summary: string;
  readonly curves: string;
}

export interface RunInfo extends RunState {
  id: string;
  name: string;
  path: string;
  /** Last step in metrics.jsonl, or null before the first. */
  step: number | null;
}

/** A run's name is a folder's name on every system: letters, digits, `.`, `_`, `-`, at most 64. */
export function checkRunName(name: string): string {
  const reserved = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name) && !name.endsWith('.') && !reserved.test(name)) return name;
  throw new TiefsucheError('USAGE', `"${name}" cannot be the name of a run`,
    { hint: 'use letters, digits, ".", "_" and "-", beginning with a letter or digit, 64 at most' });
}

/** Makes the folder of a new run. `fill` writes what belongs to it from the start; only then the run counts as begun. */
export function createRun(name: string, home: string = homeFolder(), fill: (run: RunFolder) => void = () => {}): RunFolder {
  checkRunName(name);
  const path = join(runsFolder(home), name);
  if (existsSync(join(path, 'run.json'))) {
    throw new TiefsucheError('EXISTS', `there is a run called "${name}" already`,
      { hint: 'continue it with --resume, or choose another name with --run' });
  }
  const id = `${name}-${shortId()}`;
  const run = runAt(path, id, name);
  makeFolder(run.checkpoints);
  makeFolder(run.samples);
  fill(run);
  writeFileAtomic(join(path, 'run.json'), `${JSON.stringify({ id, name })}\n`);
  return run;
}

/** The folder of an existing run. */
export function openRun(name: string, home: string = homeFolder()): RunFolder {
  checkRunName(name);
  const path = join(runsFolder(home), name);
  const identity = readIdentity(path);
  if (!identity) {
    const near = nearest(name, runNames(home));
    throw new TiefsucheError('NOT_FOUND', `there is no run called "${name}"`,
      { hint: near === undefined ? '`tiefsuche runs` lists all runs' : `did you mean "${near}"?` });
  }
  // A folder copied by hand goes on as a run of its own; one that was renamed stays what it was.
  const copied = identity.name !== name && readIdentity(join(runsFolder(home), identity.name))?.id === identity.id;
  return runAt(path, copied ? newIdentity(path, name) : identity.id, name);
}

/** Clears what a crash left half made; only the holder of the lock may call it. */
export function tidyRun(run: RunFolder): void {
  for (const folder of [run.path, run.checkpoints, run.attempts, run.samples]) removeLeftovers(folder);
}

/** All runs with a folder, latest first. */
export function listRuns(home: string = homeFolder()): RunInfo[] {
  return runNames(home)
    .map((name) => {
      const path = join(runsFolder(home), name);
      const run = runAt(path, readIdentity(path)!.id, name);
      return { id: run.id, name, path, step: lastMetricsStep(run.metrics), ...runState(run.attempts) };
    })
    .sort((a, b) => (b.firstStarted ?? '').localeCompare(a.firstStarted ?? ''));
}

function runNames(home: string): string[] {
  const folder = runsFolder(home);
  return existsSync(folder) ? readdirSync(folder).filter((name) => readIdentity(join(folder, name))) : [];
}

function runAt(path: string, id: string, name: string): RunFolder {
  return {
    id, name, path, recipe: join(path, 'recipe.yaml'), metrics: join(path, 'metrics.jsonl'), attempts: join(path, 'attempts'),
    checkpoints: join(path, 'checkpoints'), final: join(path, 'final'), model: join(path, 'model'), expected: join(path, 'expected.json'), samples: join(path, 'samples'),
    summary: join(path, 'summary.json'), curves: join(path, 'curves.svg'),
  };
}

function readIdentity(path: string): { id: string; name: string } | undefined {
  try {
    const { id, name } = JSON.parse(readFileSync(join(path, 'run.json'), 'utf8')) as { id?: unknown; name?: unknown };
    return typeof id === 'string' && typeof name === 'string' ? { id, name } : undefined;
  } catch {
    return undefined;
  }
}

function newIdentity(path: string, name: string): string {
  const id = `${name}-${shortId()}`;
  writeFileAtomic(join(path, 'run.json'), `${JSON.stringify({ id, name })}\n`);
  return id;
}

function shortId(): string {
  return Array.from({ length: 6 }, () => 'abcdefghjkmnpqrstuvwxyz23456789'[randomInt(31)]).join('');
}
