// What a run will take, computed before it begins: model, optimisers and the largest program of every phase are made on a
// backend that only counts. The phases share one arena, so only the largest of them counts; it is allocated once.

import { TiefsucheError } from '../errors.ts';
import { freeMemory } from '../free-memory.ts';
import { DryBackend } from '../engine/backends/dry.ts';
import { Arena } from '../engine/program.ts';
import type { LanguageModel } from '../models/language-model.ts';
import { largestOf } from '../models/parameters.ts';
import { Rollout, type RolloutOptions } from '../reasoning/rollout.ts';
import { evaluationSampler } from '../evaluation/task-accuracy.ts';
import { evaluationRollout, longestEvaluated } from './evaluation.ts';
import type { EncodedFiles } from './method.ts';
import { startStage } from './methods.ts';
import { makeModel } from './model-source.ts';
import type { TrainingRecipe } from './recipe-parts.ts';

export interface MemoryRow { readonly name: string; readonly bytes: number; readonly note?: string }

export interface MemoryPlan {
  readonly rows: readonly MemoryRow[];
  /** Of the arena, by phase; the largest is its size. */
  readonly phases: readonly MemoryRow[];
  readonly arenaBytes: number;
  readonly totalBytes: number;
  /** The sampler of evaluations, with as many rows as fit beside nothing else. */
  readonly evaluation: RolloutOptions;
}

const mebibyte = 2 ** 20;
/** Garbage between two collections, examples, answers, texts: grows with nothing that a recipe says. */
const javascriptBytes = 80 * mebibyte;
/** A recorded command with its tensors. */
const commandBytes = 1024;
/** Packed tiles of both sides of a matrix product, for each thread. */
const tileBytes = 5 * mebibyte;

/** @param residentBytes of this process before anything of the run is there */
export async function planMemory(recipe: TrainingRecipe, folder: string, home: string, threads: number, residentBytes: number = process.memoryUsage.rss(), files: EncodedFiles = new Map()): Promise<MemoryPlan> {
  const backend = new DryBackend();
  const language = await makeModel(backend, recipe, folder, home, { dry: true }), { model } = language;
  const weights = model.parameters.weights.bytes + (model.compressed?.bytes ?? 0) + (model.lora?.parameters.weights.bytes ?? 0);
  const gradients = (model.parameters.grads?.bytes ?? 0) + (model.lora?.parameters.grads?.bytes ?? 0);
  const tables = backend.bytes - weights - gradients, phases: MemoryRow[] = [];
  let optimizer = 0, moments = 0, answers = 0, host = 0, tokens = 512;
  for (const [index, { method }] of recipe.stages.entries()) {
    const arena = new Arena(backend), rollouts: Rollout[] = [];
    const makeRollout = (options: RolloutOptions): Rollout => {
      const rollout = new Rollout(model, arena, options);
      rollouts.push(rollout);
      return rollout;
    };
    const stage = await startStage(recipe, index, { language, arena, folder, cancel: { cancelled: false }, files, rollout: makeRollout });
    const phase = (what: string, bytes: number, note?: string): void => {
      const name = `${method}: ${what}`, known = phases.findIndex((p) => p.name === name);
      if (known >= 0 && phases[known]!.bytes >= bytes) return;
      phases.splice(known < 0 ? phases.length : known, 1, { name, bytes, ...(note && { note }) });
    };
    const { passes, alone = false, scoring = [], sampling, hostBytes = 0 } = stage.shapes();
    host = Math.max(host, hostBytes);
    for (const batch of passes) {
      const { pass, update } = stage.updater.plan(batch, alone);
      phase('forward and backward', pass.arenaBytes, `${batch.ids.length} tokens`);
      phase('optimiser step', update.arenaBytes);
      tokens = Math.max(tokens, batch.ids.length);
    }
    for (const batch of scoring) phase('scoring', stage.updater.planScoring(batch).arenaBytes, `${batch.ids.length} tokens`);
    if (sampling) {
      const { rollout } = sampling, programs = rollout.plan(sampling.settings);
      phase('sampling', sampledBytes(rollout, programs), `${rollout.rows} rows, up to ${rollout.maxTokens} tokens`);
      answers = Math.max(answers, rollout.answerBytes + Math.min(64, rollout.rows) * programs.at(-1)!.commands.length * commandBytes); // a program for each number of rows
    }
    optimizer = Math.max(optimizer, stage.updater.optimizer.bytes);
    moments = Math.max(moments, ...stage.updater.optimizer.state().map(({ tensor }) => tensor.storage.bytes));
    rollouts.forEach((rollout) => rollout.close());
    stage.close();
  }
  const evaluation = fittingEvaluation(backend, language, recipe, await longestEvaluated(language, recipe.evaluation, folder), Math.max(...phases.map((p) => p.bytes)));
  if (recipe.evaluation.problems) phases.push({ name: 'evaluation', bytes: evaluation.bytes, note: `${evaluation.options.maxRows} rows, up to ${evaluation.options.maxTokens} tokens` });

  const arenaBytes = Math.ceil(Math.max(...phases.map((p) => p.bytes)) * 1.02) + 65536; // smaller shapes may pack a little worse
  const { keyHeads, D, Dv } = model.dims.cache;
  const largest = 4 * Math.max(largestOf(model.specs), model.lora?.parameters.largest ?? 0);
  const rows: MemoryRow[] = [
    { name: 'weights', bytes: weights }, { name: 'gradients', bytes: gradients }, { name: 'optimiser', bytes: optimizer }, { name: 'tables', bytes: tables },
    { name: 'arena', bytes: arenaBytes, note: `shared by all phases; the largest: ${phases.reduce((a, b) => (b.bytes > a.bytes ? b : a)).name}` },
    { name: 'kernels', bytes: threads * tileBytes + tokens * keyHeads * (2 * D + Dv) * 4, note: 'packed tiles, transposed keys' },
    { name: 'saving', bytes: largest + moments, note: 'the largest weight and moment on their way to the disk' },
    { name: 'JavaScript', bytes: javascriptBytes + host + answers, note: 'with examples and answers' }, { name: 'Node and program', bytes: residentBytes, note: 'resident now' },
  ];
  model.close();
  return { rows, phases, arenaBytes, totalBytes: rows.reduce((sum, r) => sum + r.bytes, 0), evaluation: evaluation.options };
}

const sampledBytes = (rollout: Rollout, programs: readonly { readonly arenaBytes: number }[]): number => rollout.bytes + Math.max(...programs.map((p) => p.arenaBytes)) + 64;

/** Evaluations take as many rows as fit the arena that training needs anyway: what they find does not depend on it. */
function fittingEvaluation(backend: DryBackend, language: LanguageModel, { evaluation }: TrainingRecipe, prompt: number, bytes: number): { options: RolloutOptions; bytes: number } {
  for (let maxRows = 192; ; maxRows = Math.floor(maxRows * 0.75)) {
    const options = evaluationRollout(language, evaluation, prompt, maxRows), rollout = new Rollout(language.model, new Arena(backend), options);
    const needed = sampledBytes(rollout, rollout.plan(evaluationSampler));
    rollout.close();
    if (needed <= bytes || maxRows <= 24) return { options, bytes: needed };
  }
}

/** Refuses a run that will not fit into what is free, with the table. */
export function requireMemory(plan: MemoryPlan, available: number = freeMemory()): void {
  const resident = plan.rows.find((r) => r.name === 'Node and program')!.bytes;
  if (plan.totalBytes - resident <= available) return;
  const table = plan.rows.map((r) => `  ${r.name.padEnd(18)}${megabytes(r.bytes).padStart(10)}${r.note ? `  ${r.note}` : ''}`).join('\n');
  throw new TiefsucheError('MEMORY', `this run needs ${megabytes(plan.totalBytes)}, and ${megabytes(available + resident)} are free\n${table}`,
    { hint: 'Say `recompute: true`, or lower micro_tokens, the samples or the model; `tiefsuche train RECIPE --plan` shows what each phase takes.' });
}

export const megabytes = (bytes: number): string => `${(bytes / mebibyte).toFixed(bytes < 10 * mebibyte ? 1 : 0)} MiB`;
