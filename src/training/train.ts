// The way in: a new run from a recipe, or going on with one. Takes the run's lock, trains, and says how it ended.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { writeFileAtomic } from '../durable-file.ts';
import { isTiefsucheError } from '../errors.ts';
import type { Backend } from '../engine/backend.ts';
import { homeFolder } from '../home.ts';
import type { Outcome } from '../ledger/events.ts';
import type { Evaluation } from './evaluation.ts';
import type { EvaluationLabel } from './evaluation-points.ts';
import { formatRecipe } from './recipe.ts';
import { type TrainingRecipe, readRecipe } from './recipe-parts.ts';
import type { MetricsRow } from '../runs/run-folder-metrics.ts';
import { type RunFolder, createRun, openRun, tidyRun } from '../runs/run-folder.ts';
import { lockRun } from '../runs/run-lock.ts';
import { Session } from './session.ts';
import type { Summary } from './summary.ts';

export type { Summary } from './summary.ts';
export type { EvaluationLabel } from './evaluation-points.ts';

/** What the loop tells whoever watches. */
export type TrainEvent =
  | { readonly type: 'start'; readonly run: RunFolder; readonly recipe: TrainingRecipe; readonly parameters: number; readonly resumedFrom: number | null; readonly totalSteps: number }
  | { readonly type: 'stage'; readonly index: number; readonly method: string; readonly steps: number }
  | { readonly type: 'step'; readonly step: number; readonly stage: number; readonly method: string; readonly stageStep: number; readonly stageSteps: number; readonly row: MetricsRow }
  | { readonly type: 'answers'; /** Of an evaluation that is going on. */ readonly done: number; readonly total: number }
  | { readonly type: 'evaluation'; readonly step: number; readonly label: EvaluationLabel; readonly evaluation: Evaluation }
  | { readonly type: 'checkpoint'; readonly step: number; readonly sha256: string };

export interface TrainOptions {
  readonly backend: Backend;
  readonly home?: string;
  /** Where models and runs named in the recipe are looked up; `home` by default. */
  readonly sourceHome?: string;
  readonly cancel?: { readonly cancelled: boolean };
  readonly onEvent?: (event: TrainEvent) => void;
  /** Steps to save at beside those of the recipe. */
  readonly saveAt?: ReadonlySet<number>;
}

/** Begins a new run from the text of a recipe. `recipeFolder`: where its relative paths start. */
export async function trainNew(recipeText: string, name: string, recipeFolder: string, options: TrainOptions & { overrides?: readonly string[]; recipeName?: string; /** Writes what else belongs to the run, before it is there for others. */ begun?: (run: RunFolder) => void }): Promise<Summary> {
  const recipe = readRecipe(recipeText, { name: options.recipeName ?? 'recipe', overrides: options.overrides ?? [] });
  const run = createRun(name, options.home, (made) => {
    writeFileAtomic(made.recipe, formatRecipe(recipe as never));
    writeFileAtomic(folderFile(made), recipeFolder);
    options.begun?.(made);
  });
  return trainRun(run, options);
}

/** Goes on with a run that was begun. */
export const trainOn = (name: string, options: TrainOptions): Promise<Summary> => trainRun(openRun(name, options.home), options);

const folderFile = (run: RunFolder): string => join(run.path, 'recipe-folder');

/** Where relative paths in a run's recipe start. */
export const recipeFolderOf = (run: RunFolder): string => (existsSync(folderFile(run)) ? readFileSync(folderFile(run), 'utf8') : dirname(run.recipe));

async function trainRun(run: RunFolder, options: TrainOptions): Promise<Summary> {
  const recipe = readRecipe(readFileSync(run.recipe, 'utf8'), { name: run.recipe });
  const home = options.home ?? homeFolder(), lock = lockRun(run.attempts, run.name);
  let outcome: Outcome = 'failed';
  const session = new Session({ run, recipe, folder: recipeFolderOf(run), home, sourceHome: options.sourceHome ?? home, attempt: lock.attempt }, options);
  try {
    tidyRun(run);
    const summary = await session.train();
    outcome = 'completed';
    return summary;
  } catch (error) {
    if (isTiefsucheError(error) && error.code === 'STOPPED') outcome = 'aborted';
    session.end(outcome, error);
    throw error;
  } finally {
    session.close();
    lock.end(outcome);
  }
}
