// What an op's file exports: the function that records it (with its way back), its kernels with their reference
// implementation, and sample inputs from which the tests check every backend and every gradient.

import type { Kernel } from '../kernel.ts';
import type { Tape } from '../tape.ts';
import type { Tensor } from '../tensor.ts';

/** One test case: inputs with random values (all differentiable), and how to record the op on them. */
export interface Sample {
  readonly label: string;
  /** Shapes by name; values are drawn from N(0, 1) times `scale` (1 by default). */
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  readonly scale?: number;
  /** Returns the outputs that the test weights randomly into a scalar; all must be f32. */
  readonly record: (tape: Tape, inputs: Readonly<Record<string, Tensor>>) => Tensor | readonly Tensor[];
  /** False where the op has no gradient (sampling, caches). */
  readonly gradient?: boolean;
  /** Inputs that get no gradient by definition. */
  readonly constant?: readonly string[];
  /** Largest allowed error of a numeric gradient relative to the largest entry; 2e-2 by default (f32 differences). */
  readonly tolerance?: number;
}

/** A direct call of a kernel, for those without a gradient of their own: backends must agree on every tensor afterwards. */
export interface KernelCase {
  readonly label: string;
  readonly kernel: string;
  /** Number: that many values from N(0, 1); `positive`: their squares; a typed array: itself; null: absent. */
  readonly tensors: readonly (number | { readonly positive: number } | Float32Array | Int32Array | null)[];
  readonly attributes: readonly number[];
  /** Largest allowed difference relative to the largest entry; 2e-5 by default. */
  readonly tolerance?: number;
}

export interface Op {
  readonly name: string;
  readonly kernels: readonly Kernel[];
  readonly samples: readonly Sample[];
  readonly cases?: readonly KernelCase[];
}
