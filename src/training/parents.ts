// What a run grew from, for the ledger: the model it starts from, and earlier runs it names as trials.

import { createReadStream, existsSync, statSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { TiefsucheError } from '../errors.ts';
import type { Parent } from '../ledger/events.ts';
import { listAttempts } from '../ledger/workspace.ts';
import { runsFolder } from '../home.ts';
import { nearest } from '../nearest.ts';
import { resolveModelPath } from '../models/model-path.ts';
import type { TrainingRecipe } from './recipe-parts.ts';
import { listRuns, openRun } from './run-folder.ts';

export async function parentsOf(recipe: Pick<TrainingRecipe, 'model' | 'builds_on'>, folder: string, home: string): Promise<Parent[]> {
  const { from } = recipe.model as { from?: string };
  return [
    ...(from === undefined ? [] : [await weightsParent(resolveModelPath(from, folder, home), home)]),
    ...recipe.builds_on.map((name): Parent => ({ relation: 'trial', run: runId(name, home), name })),
  ];
}

async function weightsParent(path: string, home: string): Promise<Parent> {
  const run = basename(path) === 'final' && dirname(dirname(path)) === runsFolder(home) ? openRun(basename(dirname(path)), home) : null;
  const file = statSync(path).isFile() ? path : join(path, 'model.safetensors');
  const sha256 = existsSync(file) ? await hashOfFile(file) : undefined;
  return { relation: 'weights', run: run?.id ?? null, path, ...(run && { name: run.name }), ...(sha256 && { sha256 }) };
}

async function hashOfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

// The ledger knows runs whose folder is gone.
function runId(name: string, home: string): string {
  const recorded = listAttempts(home);
  const run = listRuns(home).find((r) => r.name === name)?.id ?? recorded.findLast((a) => a.name === name || a.run === name)?.run;
  if (run !== undefined) return run;
  const near = nearest(name, recorded.map((a) => a.name));
  throw new TiefsucheError('CONFIG', `builds_on: there is no run called "${name}" whose cost could be counted in`, { hint: near === undefined ? 'Train it first, or remove the line.' : `Did you mean "${near}"?` });
}
