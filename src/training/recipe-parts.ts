// The recipe as this house reads it: the frame of recipe.ts with our methods and settings.

import type { z } from 'zod';
import { evaluationSchema, type EvaluationSettings } from './evaluation.ts';
import { methods } from './methods.ts';
import { loraSchema, tokenizerSchema } from './model-source.ts';
import { type Recipe, parseRecipe } from './recipe.ts';

const parts = {
  methods: Object.fromEntries(methods.map((m) => [m.name, m.schema])),
  tokenizer: tokenizerSchema as unknown as z.ZodType<Record<string, unknown>>,
  lora: loraSchema as unknown as z.ZodType<Record<string, unknown>>,
  evaluation: evaluationSchema as unknown as z.ZodType<Record<string, unknown>>,
};

export type TrainingRecipe = Omit<Recipe, 'stages' | 'evaluation' | 'lora'> & { lora?: z.output<typeof loraSchema>; stages: ({ method: string } & Record<string, unknown>)[]; evaluation: EvaluationSettings };

export const readRecipe = (text: string, options: { name?: string; overrides?: readonly string[] } = {}): TrainingRecipe => parseRecipe(text, parts, options) as unknown as TrainingRecipe;

export const totalSteps = (recipe: TrainingRecipe): number => recipe.stages.reduce((n, stage) => n + Number(stage['steps']), 0);
