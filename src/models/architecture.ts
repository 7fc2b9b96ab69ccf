// What a file in this folder says about one architecture: which parameters it has, and how tokens become hidden states.
// The same forward pass serves training and sampling; only `attend` differs (packed documents or a paged cache).

import type { AttentionShape, Documents, Heads } from '../engine/ops/attention.ts';
import type { Slots } from '../engine/ops/moe-experts.ts';
import type { Rope } from '../engine/rope-table.ts';
import type { Tape } from '../engine/tape.ts';
import type { Tensor } from '../engine/tensor.ts';
import type { ConfigJson } from './config.ts';
import type { ParameterSpec } from './parameters.ts';

export interface ForwardContext {
  readonly tape: Tape;
  /** (T) i32, position of each token in its document. */
  readonly positions: Tensor;
  /** (maxPositions, R) cosines and sines. */
  readonly ropeTable: Tensor;
  /** The same for `localRope`; the first table where there is none. */
  readonly localRopeTable: Tensor;
  /** MLA over the cached latents instead of expanded keys and values: fewer bytes, other rounding (fast mode). */
  readonly absorbed: boolean;
  /** Where documents begin; absent when sampling. */
  readonly documents?: Documents;
  weight(name: string): Tensor;
  /** Rows of the embedding. */
  embed(ids: Tensor): Tensor;
  /** x times a weight or group, with its bias, and LoRA where there is one. */
  linear(x: Tensor, name: string): Tensor;
  /** Rows sorted by expert times each expert's own matrix of a stack. */
  grouped(x: Tensor, name: string, slots: Slots): Tensor;
  attend(layer: number, q: Heads, k: Heads, v: Heads, shape: AttentionShape): Tensor;
  /** Tells how many tokens each expert got: (E + 1) i32 offsets. */
  countExperts(layer: number, offsets: Tensor): void;
  /** Adds a per-row loss that is not the model's main one (router balance), already weighted. */
  auxiliaryLoss(name: string, values: Tensor): void;
}

export interface CacheShape { readonly keyHeads: number; readonly D: number; readonly Dv: number }

/** What the engine must know to make room: sizes that do not depend on the batch. */
export interface Dimensions {
  readonly vocab: number;
  readonly channels: number;
  readonly layers: number;
  readonly maxPositions: number;
  readonly rope: Rope;
  /** Rotations of layers with a sliding window, where those have their own. */
  readonly localRope?: Rope;
  /** Keys and values as they are cached, for each layer. */
  readonly cache: CacheShape;
  /** The same for absorbed MLA: one head of latents. */
  readonly absorbedCache?: CacheShape;
  readonly tied: boolean;
  readonly normEps: number;
  /** The final norm's weight counts from here; 0 by default. */
  readonly normOffset?: number;
  /** Layers whose experts' load is balanced by a bias. */
  readonly moe?: { readonly layers: readonly number[]; readonly experts: number };
  /** Modules for multi-token prediction. */
  readonly mtp?: number;
}

export interface Architecture {
  /** Hugging Face's model_type. */
  readonly modelType: string;
  /** The class that transformers loads it with. */
  readonly className: string;
  /** Checks a configuration and derives the sizes. */
  dimensions(config: ConfigJson): Dimensions;
  parameters(config: ConfigJson): ParameterSpec[];
  /** Every setting a configuration may leave out, with the value it has here: other readers have other defaults, so config.json says all of it. */
  settings(config: ConfigJson): Record<string, unknown>;
  /** Embedded tokens (T, C) → hidden states before the final norm (T, C). */
  layers(context: ForwardContext, config: ConfigJson, x: Tensor): Tensor;
  /** Multi-token prediction: hidden states for the token after next, one tensor a module (deepseek_v3.ts). */
  predictAhead?(context: ForwardContext, config: ConfigJson, normed: Tensor, nextIds: readonly Tensor[]): Tensor[];
}
