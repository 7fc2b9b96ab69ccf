// What a training method is: a schema for its part of the recipe, and a stage that does one step at a time. Whatever a
// stage draws at random comes from (seed, step), so a checkpoint needs only the step and what the stage itself remembers.

import type { z } from 'zod';
import type { Flops } from '../engine/kernel.ts';
import type { SamplerSettings } from '../engine/ops/sample.ts';
import type { Arena } from '../engine/program.ts';
import type { LanguageModel } from '../models/language-model.ts';
import type { Batch } from '../models/loss.ts';
import type { Rollout, RolloutOptions } from '../reasoning/rollout.ts';
import type { Example } from './batches.ts';
import type { MetricsValue } from '../runs/run-folder-metrics.ts';
import type { ReferencePolicy } from './reference-policy.ts';
import type { Updater } from './updater.ts';

export interface StageContext {
  readonly language: LanguageModel;
  readonly arena: Arena;
  readonly seed: number;
  /** Folder that relative paths in the recipe start from. */
  readonly folder: string;
  readonly cancel: { readonly cancelled: boolean };
  /** Keeps what was read from data files; for a stage that is begun more than once with one model. */
  readonly files?: EncodedFiles;
  /** The sampler, made at first use; `refresh` it after every change of the weights. */
  rollout(options: RolloutOptions): Rollout;
}

export type EncodedFiles = Map<string, readonly Example[]>;

export interface StepResult {
  readonly loss: number;
  readonly trained: number;
  readonly sampled: number;
  readonly flops: Flops;
  /** Further columns for metrics.jsonl. */
  readonly metrics: Readonly<Record<string, MetricsValue>>;
}

/** The largest shapes of a stage. */
export interface StageShapes {
  /** Micro-batches, forward and backward. */
  readonly passes: readonly Batch[];
  /** No step has more than one of them: then values may lie where gradients will. */
  readonly alone?: boolean;
  /** Forward only. */
  readonly scoring?: readonly Batch[];
  /** Of data held in JavaScript all the time. */
  readonly hostBytes?: number;
  readonly sampling?: { readonly rollout: Rollout; readonly settings: SamplerSettings };
}

/** Losses that some steps measure beside their own work, on rows that do not train. */
export interface Beside {
  /** Read for them in the whole stage. */
  readonly tokens: number;
  at(step: number): boolean;
  /** Reads a few of these rows, to be timed; gives the number of tokens. */
  sample(): Promise<number>;
}

export interface Stage {
  readonly steps: number;
  /** Tokens that a step trains on in the mean, where that can be known. */
  readonly meanTokens?: number;
  readonly beside?: Beside;
  readonly updater: Updater;
  /** A policy that is kept beside the one that trains; checkpoints hold it, too. */
  readonly reference?: ReferencePolicy;
  /** One optimiser step, 0 … steps−1. */
  step(step: number): Promise<StepResult>;
  /** No step needs more memory than these. */
  shapes(): StageShapes;
  /** True ends the stage early, by the recipe's own rule. */
  finished?(): boolean;
  /** What must survive a restart beside weights and optimiser; plain JSON. */
  state(): MetricsValue;
  restore(state: MetricsValue): void;
  close(): void;
}

export interface Method<S extends z.ZodObject = z.ZodObject> {
  readonly name: string;
  readonly schema: S;
  start(context: StageContext, settings: z.output<S>): Promise<Stage>;
}

export function defineMethod<S extends z.ZodObject>(method: Method<S>): Method<S> { return method; }
