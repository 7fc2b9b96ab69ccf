// What every weights file looks like to the rest of the house: named tensors, read one at a time (or part by part).
// Shapes are in C order, slowest dimension first, as in PyTorch: a linear layer is (out, in).

import type { FilePlace } from '../../engine/file-rows.ts';

/** A tensor as it lies in a file. */
export interface TensorEntry {
  readonly name: string;
  /** The file's own name for the type: F32, BF16, F8_E4M3, Q4_1, ... */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly byteLength: number;
}

/** Named tensors in one or several files. Nothing is read before it is asked for. */
export interface TensorSource {
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /** The tensor's bytes as stored; `start` and `count` take a part of them. They may come in `into`, which is overwritten. */
  readBytes(name: string, start?: number, count?: number, into?: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>;
  /** The tensor's values as f32; `start` and `count` (in elements) take a part of it. */
  readFloat32(name: string, start?: number, count?: number): Float32Array<ArrayBuffer>;
  /** Where a tensor's rows lie in a file, and as what; null where they are made from something else. */
  place?(name: string): FilePlace | null;
  close(): void;
}

/** Product of a shape; NaN if a dimension is not a whole number >= 0 or the product is not exact. */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const dim of shape) {
    if (!Number.isSafeInteger(dim) || dim < 0) return NaN;
    count *= dim;
    if (!Number.isSafeInteger(count)) return NaN;
  }
  return count;
}
