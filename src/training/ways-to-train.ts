// The ways a model can be trained by one recipe, and the memory each takes: all weights, adapters on an f32 base (LoRA),
// adapters on a base in the few bits of its file (QLoRA); each keeping what the way back needs, or computing it again.
// The last two do not change what is learned: the same numbers, in less memory and more time.

import { resolve } from 'node:path';
import type { Example } from './batches.ts';
import { planMemory } from './memory-plan.ts';
import type { EncodedFiles } from './method.ts';
import type { TrainingRecipe } from './recipe-parts.ts';

export interface WayToTrain { readonly name: 'full' | 'LoRA' | 'QLoRA'; readonly recompute: boolean; readonly totalBytes: number; /** It is what the recipe says. */ readonly chosen: boolean }

/** Where and on what a plan is made. @property residentBytes of this process before the run */
export interface PlanPlace { readonly folder: string; readonly home: string; readonly threads: number; readonly residentBytes: number }

const usualAdapters: NonNullable<TrainingRecipe['lora']> = { rank: 16, alpha: 32 };

function nameOf({ lora }: TrainingRecipe): WayToTrain['name'] {
  if (!lora) return 'full';
  return lora.base === 'file' ? 'QLoRA' : 'LoRA';
}

/** The recipe in each of the ways. A new model's weights are trained. */
function inEachWay(recipe: TrainingRecipe): TrainingRecipe[] {
  const { lora: given, recompute: _, ...rest } = recipe, { base: __, ...adapters } = given ?? usualAdapters, isNew = !('from' in recipe.model);
  const ways: TrainingRecipe[] = [rest, ...(isNew ? [] : [{ ...rest, lora: adapters }, { ...rest, lora: { ...adapters, base: 'file' as const } }])];
  return ways.flatMap((way) => [{ ...way, recompute: false }, { ...way, recompute: true }]);
}

export async function waysToTrain(recipe: TrainingRecipe, { folder, home, threads, residentBytes }: PlanPlace): Promise<WayToTrain[]> {
  const files: EncodedFiles = new Map(), ways: WayToTrain[] = [];
  for (const way of inEachWay(recipe)) {
    const name = nameOf(way), recompute = way.recompute === true, { totalBytes } = await planMemory(way, folder, home, threads, residentBytes, files);
    ways.push({ name, recompute, totalBytes, chosen: name === nameOf(recipe) && recompute === (recipe.recompute ?? false) });
  }
  return ways;
}

const shortestTried = 128;

/**
 * Tokens of the longest row that each way (in the order of `waysToTrain`) can train within `bytes`, one row at a time;
 * null: not even one of 128. Tried are powers of two and `most`, the model's positions. The recipe is one of sft from a file.
 */
export async function longestRows(recipe: TrainingRecipe, most: number, bytes: number, { folder, home, threads, residentBytes }: PlanPlace): Promise<(number | null)[]> {
  const lengths: number[] = [];
  for (let n = Math.min(shortestTried, most); n < most; n *= 2) lengths.push(n);
  lengths.push(most);
  const fits = async (way: TrainingRecipe, tokens: number): Promise<boolean> => {
    const example: Example = { ids: new Int32Array(tokens), from: 1 }, files: EncodedFiles = new Map();
    const stages = way.stages.map((stage) => {
      const data = stage['data'] as { readonly file: string; readonly test_file?: string };
      for (const file of [data.file, data.test_file]) if (file !== undefined) files.set(resolve(folder, file), [example]);
      return { ...stage, micro_tokens: tokens, batch: 1, data: { ...data, max_tokens: tokens }, heldout_also: [] };
    });
    const { totalBytes } = await planMemory({ ...way, evaluation: { ...way.evaluation, problems: undefined }, stages }, folder, home, threads, residentBytes, files);
    return totalBytes <= bytes;
  };
  const found: (number | null)[] = [];
  for (const way of inEachWay(recipe)) {
    let low = 0, high = lengths.length; // lengths below `low` fit, those from `high` on do not
    while (low < high) {
      const middle = (low + high) >> 1;
      if (await fits(way, lengths[middle]!)) low = middle + 1; else high = middle;
    }
    found.push(low === 0 ? null : lengths[low - 1]!);
  }
  return found;
}
