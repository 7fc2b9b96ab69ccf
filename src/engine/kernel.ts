// A kernel is what a backend executes: a name, the plain TypeScript version that defines what is right, and a count of
// its floating point operations. Ops (ops/*.ts) record kernels on the tape; backends look faster versions up by name.

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

export interface Kernel {
  readonly name: string;
  /**
   * Computes on views that begin at each tensor's first element; null where an optional tensor is absent.
   * Attributes are plain numbers: dimensions, strides in elements, flags (0 or 1), scalars.
   */
  readonly reference: (t: readonly View[], a: readonly number[]) => void;
  readonly flops?: (a: readonly number[]) => { model?: number; recompute?: number };
}
