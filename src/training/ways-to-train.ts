// The ways a model can be trained by one recipe, and the memory each takes: all weights, adapters on an f32 base (LoRA),
// adapters on a base in the few bits of its file (QLoRA); each keeping what the way back needs, or computing it again.
// The last two do not change what is learned: the same numbers, in less memory and more time.

import { planMemory } from './memory-plan.ts';
import type { EncodedFiles } from './method.ts';
import type { TrainingRecipe } from './recipe-parts.ts';

export interface WayToTrain { readonly name: 'full' | 'LoRA' | 'QLoRA'; readonly recompute: boolean; readonly totalBytes: number; /** It is what the recipe says. */ readonly chosen: boolean }

const usualAdapters: NonNullable<TrainingRecipe['lora']> = { rank: 16, alpha: 32 };

function nameOf({ lora }: TrainingRecipe): WayToTrain['name'] {
  if (!lora) return 'full';
  return lora.base === 'file' ? 'QLoRA' : 'LoRA';
}

/** Of a recipe whose model comes from somewhere; a new model's weights are trained. */
export async function waysToTrain(recipe: TrainingRecipe, folder: string, home: string, threads: number, residentBytes: number): Promise<WayToTrain[]> {
  const { lora: given, recompute: _, ...rest } = recipe, { base: __, ...adapters } = given ?? usualAdapters, isNew = !('from' in recipe.model), files: EncodedFiles = new Map();
  const recipes: TrainingRecipe[] = [rest, ...(isNew ? [] : [{ ...rest, lora: adapters }, { ...rest, lora: { ...adapters, base: 'file' as const } }])];
  const ways: WayToTrain[] = [];
  for (const way of recipes) for (const recompute of [false, true]) {
    const name = nameOf(way), { totalBytes } = await planMemory({ ...way, recompute }, folder, home, threads, residentBytes, files);
    ways.push({ name, recompute, totalBytes, chosen: name === nameOf(recipe) && recompute === (recipe.recompute ?? false) });
  }
  return ways;
}
