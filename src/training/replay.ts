// Training a run once more from its recipe, and comparing: first what the run says about itself with what the ledger
// recorded, then every checkpoint with the one the new training comes to.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TiefsucheError } from '../errors.ts';
import { homeFolder } from '../home.ts';
import { listAttempts, readAttempt, recipeHash } from '../ledger/workspace.ts';
import { type LoggedCheckpoint, readCheckpointLog } from './checkpoint-log.ts';
import { readRecipe } from './recipe-parts.ts';
import { checkParents, parentsOf } from './parents.ts';
import { type RunFolder, openRun } from '../runs/run-folder.ts';
import { type TrainOptions, recipeFolderOf, trainNew } from './train.ts';

export interface Comparison { readonly what: LoggedCheckpoint['what']; readonly step: number; readonly expected: string; readonly got: string | null; readonly equal: boolean }

/** Trains in a folder of its own, which is removed again. */
export async function replayRun(name: string, options: Omit<TrainOptions, 'sourceHome' | 'saveAt'>): Promise<Comparison[]> {
  const home = options.home ?? homeFolder(), run = openRun(name, home), logged = readCheckpointLog(run);
  if (logged.length === 0) throw new TiefsucheError('NOT_FOUND', `the run "${name}" has no checkpoint to compare with`, { hint: 'Finish it first with --resume.' });
  checkAgainstLedger(run, logged, home);
  checkParents(run.id, await parentsOf(readRecipe(readFileSync(run.recipe, 'utf8'), { name: run.recipe }), recipeFolderOf(run), home), home);
  const scratch = mkdtempSync(join(tmpdir(), 'tiefsuche-replay-'));
  try {
    await trainNew(readFileSync(run.recipe, 'utf8'), run.name, recipeFolderOf(run), {
      ...options, home: scratch, sourceHome: home, saveAt: new Set(logged.map((c) => c.step)),
    });
    return compareLogs(logged, readCheckpointLog(openRun(run.name, scratch)));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** What the run's folder says must be what was recorded when it was trained. */
function checkAgainstLedger(run: RunFolder, logged: readonly LoggedCheckpoint[], home: string): void {
  const recipe = readRecipe(readFileSync(run.recipe, 'utf8'), { name: run.recipe });
  for (const entry of listAttempts(home).filter((a) => a.run === run.id)) {
    const attempt = readAttempt(entry.path);
    if (!attempt) continue;
    if (attempt.start.recipe_sha256 !== recipeHash(JSON.parse(JSON.stringify(recipe)))) {
      throw new TiefsucheError('MISMATCH', `${run.recipe} is not the recipe that attempt ${entry.attempt} of "${run.name}" was recorded with`, { hint: 'The recorded one stands in the ledger; nothing was trained.' });
    }
    const saved = attempt.end?.checkpoint_sha256;
    if (saved && !logged.some((c) => c.sha256 === saved)) {
      throw new TiefsucheError('MISMATCH', `checkpoints.jsonl of "${run.name}" lacks the checkpoint ${saved.slice(0, 16)}… that the ledger recorded`, { hint: 'The list was changed after the training; nothing was trained.' });
    }
  }
}

/**
 * Every logged checkpoint beside the one of the same step. A run stopped in an evaluation has two of one step, which differ
 * in what was evaluated: then all must agree in weights and optimiser, and one of them in everything.
 */
export function compareLogs(expected: readonly LoggedCheckpoint[], got: readonly LoggedCheckpoint[]): Comparison[] {
  return expected.map((entry) => {
    const { what, step, sha256 } = entry, other = got.find((g) => g.what === what && g.step === step);
    const twins = expected.filter((e) => e.what === what && e.step === step);
    const sameState = other !== undefined && ['weights.safetensors', 'optimizer.safetensors'].every((file) => other.files[file] === entry.files[file]);
    const equal = other !== undefined && (other.sha256 === sha256 || (sameState && twins.some((t) => t.sha256 === other.sha256)));
    return { what, step, expected: sha256, got: other?.sha256 ?? null, equal };
  });
}

