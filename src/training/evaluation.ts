// What a recipe evaluates: accuracy on its problems before training, between, and after, on the test split with a seed of
// its own; and the same few problems each time, so that one can watch the thinking change.

import { z } from 'zod';
import type { LanguageModel } from '../models/language-model.ts';
import { type FamilyAccuracy, taskAccuracy } from '../evaluation/task-accuracy.ts';
import { withFiles } from './file-task.ts';
import { longestPrompt } from '../reasoning/problems.ts';
import type { Rollout, RolloutOptions } from '../reasoning/rollout.ts';
import { problemsSchema } from './settings.ts';

export const evaluationSchema = z.strictObject({
  problems: problemsSchema.optional(),
  /** Also before the first step of all. */
  at_start: z.boolean().default(false),
  /** Problems a family, before reinforcement and at the end. */
  n: z.int().min(1).default(200),
  /** Every so many steps of reinforcement, on fewer problems; 0: never. */
  every: z.int().min(0).default(0),
  n_between: z.int().min(1).default(50),
  seed: z.int().min(0).default(1_000_003),
  /** Longest prompt there is room for. */
  max_prompt_tokens: z.int().min(1).default(160),
  max_new_tokens: z.int().min(1).default(128),
  /** Problems whose thoughts are kept at each evaluation. */
  shown: z.int().min(0).default(5),
  /** Every so many steps of any stage those problems alone, so that one sees it learn; 0: at evaluations only. */
  shown_every: z.int().min(0).default(0),
});

export type EvaluationSettings = z.output<typeof evaluationSchema>;

export interface Evaluation {
  readonly mean: number;
  readonly families: readonly FamilyAccuracy[];
}

export async function evaluate(language: LanguageModel, rollout: Rollout, settings: EvaluationSettings, { folder, ...options }: { folder: string; n: number; withoutThinking?: boolean; cancel?: { readonly cancelled: boolean }; onAnswer?: (done: number, total: number) => void }): Promise<Evaluation> {
  const families = await taskAccuracy(language, rollout, await withFiles(settings.problems!, folder), { seed: settings.seed, maxNew: settings.max_new_tokens, ...options });
  return { mean: families.reduce((s, f) => s + f.accuracy, 0) / families.length, families };
}

/** Tokens of the longest prompt of an evaluation: what the recipe says, or more where a file has longer ones. */
export async function longestEvaluated(language: LanguageModel, { problems, seed, max_prompt_tokens }: EvaluationSettings, folder: string): Promise<number> {
  if (!problems?.tasks.some((t) => t.file !== undefined)) return max_prompt_tokens;
  return Math.max(max_prompt_tokens, longestPrompt(language, await withFiles(problems, folder), seed, 'test'));
}

/** The sampler that evaluations use: many rows, for prompts of that many tokens. */
export const evaluationRollout = ({ model }: LanguageModel, { max_new_tokens }: EvaluationSettings, prompt: number, maxRows = 192): RolloutOptions =>
  ({ maxRows, maxTokens: Math.min(model.maxPositions, prompt + max_new_tokens) });

/** The first problems of each family in turn, as many as there are. */
export function shownAnswers(evaluation: Evaluation, count: number): { task: string; prompt: string; thinking: string; content: string; expected: string; right: boolean }[] {
  return Array.from({ length: count }, (_, i) => {
    const { task, answers } = evaluation.families[i % evaluation.families.length]!;
    const answer = answers[Math.floor(i / evaluation.families.length)];
    return answer ? [{ task, prompt: answer.prompt, thinking: answer.thinking, content: answer.content, expected: answer.expected, right: answer.right }] : [];
  }).flat();
}
