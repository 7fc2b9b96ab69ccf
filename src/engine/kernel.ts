// A kernel is what a backend executes: a name, the plain TypeScript version that defines what is right, and a count of
// its floating point operations. Ops (ops/*.ts) record kernels on the tape; backends look faster versions up by name.

import type { Command } from './program.ts';

/** Counters of floating point operations: matrix products and attention, a multiply-add counting 2. Norms, activations and the like (under 1 %) are not counted, as is the custom. */
export interface Flops {
  /** What the mathematics of the model asks for. */
  model: number;
  /** Done again instead of stored (attention scores in backward, recomputed activations). */
  recompute: number;
  /** Forward passes of rollouts. */
  sampling: number;
}

/** The reference backend passes an Int32Array where a tensor is i32; indexing is all kernels do with it. */
export type View = Float32Array;

/** What is known of a command whose rows are independent of each other (row-runs.ts). */
export interface ByRows {
  /** Done for all rows at once, ahead of the run that the command joins. */
  readonly before?: readonly Command[];
  /** The command, or what takes its place: row r touches row r of its tensors alone. Absent: there is only `after`. */
  readonly rows?: {
    readonly command: Command;
    /** Elements from row to row of each tensor; 0: every row reads all of it. */
    readonly strides: readonly number[];
    /** The tensors that are written. */
    readonly writes: readonly number[];
    /** Attribute 0 counts elements instead of rows, as do the strides. */
    readonly elements?: boolean;
  };
  /** Sums over rows, done when the run has ended, and the tensors they add to: gradients of weights. */
  readonly after?: readonly { readonly command: Command; readonly writes: readonly number[] }[];
}

export interface Kernel {
  readonly name: string;
  /**
   * Computes on views that begin at each tensor's first element; null where an optional tensor is absent.
   * Attributes are plain numbers: dimensions, strides in elements, flags (0 or 1), scalars.
   */
  readonly reference: (t: readonly View[], a: readonly number[]) => void;
  readonly flops?: (a: readonly number[]) => { model?: number; recompute?: number };
  /** For kernels that count rows in attribute 0 and may do them block by block. */
  readonly byRows?: (command: Command) => ByRows;
}
