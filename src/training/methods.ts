// Every training method: one line each.

import { grpo } from './grpo.ts';
import type { Method, Stage, StageContext } from './method.ts';
import { pretrain } from './pretrain.ts';
import type { Recipe } from './recipe.ts';
import { sft } from './sft.ts';

export const methods: readonly Method[] = [grpo, pretrain, sft] as unknown as readonly Method[];

/** Begins a stage of a recipe; each has a seed of its own. */
export async function startStage({ stages, seed }: Pick<Recipe, 'seed'> & { readonly stages: readonly { readonly method: string }[] }, index: number, context: Omit<StageContext, 'seed'>): Promise<Stage> {
  const { method: name, ...settings } = stages[index]!;
  return methods.find((m) => m.name === name)!.start({ ...context, seed: seed + index }, settings as never);
}
