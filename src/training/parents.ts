// What a run grew from, for the ledger: the model it starts from, its data files with their hashes, and earlier runs it
// names as trials. Whoever resumes or replays a run must begin from the same bytes.

import { existsSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { TiefsucheError } from '../errors.ts';
import { hashOfFile } from '../file-hash.ts';
import type { Parent } from '../ledger/events.ts';
import { listAttempts, readAttempt } from '../ledger/workspace.ts';
import { runsFolder } from '../home.ts';
import { nearest } from '../nearest.ts';
import { resolveModelPath } from '../models/model-path.ts';
import type { TrainingRecipe } from './recipe-parts.ts';
import { requireDataFile } from './rows-file.ts';
import { listRuns, openRun } from '../runs/run-folder.ts';

export async function parentsOf(recipe: Pick<TrainingRecipe, 'model' | 'tokenizer' | 'builds_on' | 'stages' | 'evaluation'>, folder: string, home: string): Promise<Parent[]> {
  const { from } = recipe.model as { from?: string }, { from: tokenizer } = (recipe.tokenizer ?? {}) as { from?: string };
  return [
    ...(from === undefined ? [] : [await weightsParent(resolveModelPath(from, folder, home), home)]),
    ...(tokenizer === undefined ? [] : [await tokenizerParent(tokenizer, folder, home)]),
    ...await Promise.all(dataFilesOf([recipe.stages, recipe.evaluation, recipe.tokenizer]).map((name) => dataParent(name, folder))),
    ...recipe.builds_on.map((name): Parent => ({ relation: 'trial', run: runId(name, home), name })),
  ];
}

/** Every path under a key `file` or `…_file`, each once. */
function dataFilesOf(part: unknown): string[] {
  const found = new Set<string>();
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if (typeof inner === 'string' && /^(.*_)?file$/.test(key)) found.add(inner);
      else walk(inner);
    }
  };
  walk(part);
  return [...found].sort();
}

async function dataParent(name: string, folder: string): Promise<Parent> {
  const path = resolve(folder, name);
  requireDataFile(path);
  return { relation: 'data', run: null, path, name, ...(statSync(path).isFile() && { sha256: await hashOfFile(path) }) };
}

/** The file a tokenizer was taken from. */
async function tokenizerParent(name: string, folder: string, home: string): Promise<Parent> {
  const model = resolveModelPath(name, folder, home), path = statSync(model).isFile() ? model : join(model, 'tokenizer.json');
  return { relation: 'data', run: null, path, name: `tokenizer of ${name}`, ...(existsSync(path) && { sha256: await hashOfFile(path) }) };
}

/** Refuses to go on from files that are not what an earlier attempt of the run began from. */
export function checkParents(run: string, now: readonly Parent[], home: string): void {
  for (const entry of listAttempts(home).filter((a) => a.run === run)) for (const before of readAttempt(entry.path)?.start.parents ?? []) {
    const same = now.find((p) => p.relation === before.relation && (p.name ?? p.path) === (before.name ?? before.path));
    if (!before.sha256 || !same?.sha256 || same.sha256 === before.sha256) continue;
    throw new TiefsucheError('MISMATCH', `${same.path} has changed since attempt ${entry.attempt} of this run was trained ${before.relation === 'data' ? 'on' : 'from'} it (sha256 ${same.sha256.slice(0, 16)}…, recorded ${before.sha256.slice(0, 16)}…)`,
      { hint: 'Put the recorded file back, or train a new run on the changed one.' });
  }
}

async function weightsParent(path: string, home: string): Promise<Parent> {
  const run = basename(path) === 'final' && dirname(dirname(path)) === runsFolder(home) ? openRun(basename(dirname(path)), home) : null;
  const file = statSync(path).isFile() ? path : join(path, 'model.safetensors');
  const sha256 = existsSync(file) ? await hashOfFile(file) : undefined;
  return { relation: 'weights', run: run?.id ?? null, path, ...(run && { name: run.name }), ...(sha256 && { sha256 }) };
}

// The ledger knows runs whose folder is gone.
function runId(name: string, home: string): string {
  const recorded = listAttempts(home);
  const run = listRuns(home).find((r) => r.name === name)?.id ?? recorded.findLast((a) => a.name === name || a.run === name)?.run;
  if (run !== undefined) return run;
  const near = nearest(name, recorded.map((a) => a.name));
  throw new TiefsucheError('CONFIG', `builds_on: there is no run called "${name}" whose cost could be counted in`, { hint: near === undefined ? 'Train it first, or remove the line.' : `Did you mean "${near}"?` });
}
