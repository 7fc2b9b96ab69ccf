// Parts of a recipe that several methods share, as zod schemas with their defaults.

import { z } from 'zod';
import type { OptimizerSettings, Schedule } from '../engine/optimizers.ts';
import { nearest } from '../nearest.ts';
import { tasks } from '../reasoning/tasks/index.ts';
import { verifierNames } from '../reasoning/verifiers.ts';

export const optimizerSchema = z.strictObject({
  /** Learning rate of AdamW; of everything unless muon is set. */
  lr: z.number().positive().default(1e-3),
  beta1: z.number().min(0).lt(1).default(0.9),
  beta2: z.number().min(0).lt(1).default(0.95),
  eps: z.number().positive().default(1e-8),
  weight_decay: z.number().min(0).default(0.01),
  /** Hidden matrices by Muon. */
  muon: z.strictObject({
    lr: z.number().positive(),
    momentum: z.number().min(0).lt(1).default(0.95),
    weight_decay: z.number().min(0).default(0.01),
    scale: z.enum(['moonlight', 'jordan']).default('moonlight'),
  }).optional(),
  clip: z.number().min(0).default(1),
  /** γ of DeepSeek's router biases. */
  router_bias_rate: z.number().min(0).default(0.001),
});

export const scheduleSchema = z.strictObject({
  warmup: z.int().min(0).default(10),
  decay: z.enum(['constant', 'linear', 'cosine']).default('constant'),
  /** Share of the steps over which the rate falls at the end. */
  decay_share: z.number().min(0).max(1).default(1),
  /** What is left of it. */
  floor: z.number().min(0).max(1).default(0),
});

export const optimizerOf = (o: z.output<typeof optimizerSchema>): OptimizerSettings => ({
  adamw: { lr: o.lr, beta1: o.beta1, beta2: o.beta2, eps: o.eps, weightDecay: o.weight_decay },
  muon: o.muon && { lr: o.muon.lr, momentum: o.muon.momentum, weightDecay: o.muon.weight_decay, scale: o.muon.scale },
  clip: o.clip,
});

export const scheduleOf = (s: z.output<typeof scheduleSchema>): Schedule => ({ warmup: s.warmup, decay: s.decay, decayShare: s.decay_share, floor: s.floor });

const unknownTask = (name: string): string => {
  const known = tasks.map((t) => t.name), near = nearest(name, known);
  return `expected ${known.join(' or ')}, or a file; got ${JSON.stringify(name)}${near === undefined ? '' : `; did you mean "${near}"?`}`;
};

/** Which problems, and in which languages. */
export const problemsSchema = z.strictObject({
  tasks: z.array(z.strictObject({
    /** A family of ours; or any name, for problems from `file`. */
    task: z.string(),
    difficulty: z.int().min(1).optional(),
    /** Share of the problems, relative to the others. */
    weight: z.number().positive().default(1),
    file: z.string().optional(),
    /** Problems of evaluations; else those of `file`. */
    test_file: z.string().optional(),
    verifier: z.enum(verifierNames).optional(),
    /** Whether a closed thought must stand before the answer. */
    thinking: z.boolean().optional(),
  }).refine(({ task, file }) => file !== undefined || tasks.some((t) => t.name === task), { path: ['task'], error: ({ input }) => unknownTask((input as { task: string }).task) })).min(1),
  /** Share of the demonstrations that work in the head, in few large steps, instead of on paper. */
  in_head: z.number().min(0).max(1).default(0),
  languages: z.array(z.enum(['de', 'en'])).min(1).default(['en', 'de']),
});

export type ProblemsSettings = z.output<typeof problemsSchema>;
