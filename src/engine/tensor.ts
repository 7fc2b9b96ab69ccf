// Tensors are descriptions, not data: a shape, a row stride and a place. The data lives behind an opaque device buffer.
// A Storage is a run of bytes: `fixed` in a buffer for good (weights, optimiser state, caches), or `planned`, placed in
// the arena by plan.ts once the whole step is recorded. Views share the storage of their base.

import { TiefsucheError } from '../errors.ts';

export type DType = 'f32' | 'i32' | 'u8';
export type Shape = readonly number[];

export const bytesPerElement: Record<DType, number> = { f32: 4, i32: 4, u8: 1 };

/** Memory of a backend. Only the backend that made it can look inside. */
export interface DeviceBuffer { readonly bytes: number; readonly handle: unknown }

export interface Storage {
  readonly bytes: number;
  readonly label: string;
  /** null: planned, i.e. at `offset` in the arena of the program, if the plan finds no place in a buffer that is not needed yet. */
  buffer: DeviceBuffer | null;
  offset: number;
  needsGrad: boolean;
}

export interface Tensor {
  readonly dtype: DType;
  readonly shape: Shape;
  /** Distance between rows (first index of a matrix) in elements; equal to the row length unless a column view. */
  readonly ld: number;
  readonly storage: Storage;
  /** Elements from the start of the storage. */
  readonly offset: number;
  /** Where the gradient of a weight accumulates; absent for activations (the tape finds theirs) and frozen weights. */
  readonly grad?: Tensor;
}

/** Everything in a buffer begins at a multiple of this many bytes: a cache line, and the widest vector. */
export const alignment = 64;
export const aligned = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;

export const sizeOf = (shape: Shape): number => shape.reduce((n, d) => n * d, 1);
export const rowLength = (shape: Shape): number => (shape.length === 0 ? 1 : shape[shape.length - 1]!);
export const isPlanned = (t: Tensor): boolean => t.storage.buffer === null;

/** A tensor that stays where it is: weights, optimiser state, caches. `byteOffset` should be aligned. */
export function fixedTensor(buffer: DeviceBuffer, byteOffset: number, shape: Shape, dtype: DType = 'f32', label = '', grad?: Tensor): Tensor {
  const bytes = sizeOf(shape) * bytesPerElement[dtype];
  if (byteOffset + bytes > buffer.bytes) throw new TiefsucheError('SHAPE', `tensor ${label} [${shape}] does not fit its buffer of ${buffer.bytes} bytes`);
  const storage: Storage = { bytes, label, buffer, offset: byteOffset, needsGrad: grad !== undefined };
  return { dtype, shape, ld: rowLength(shape), storage, offset: 0, ...(grad && { grad }) };
}

/** A tensor to be placed in the arena. */
export function plannedTensor(shape: Shape, dtype: DType = 'f32', label = 'temp'): Tensor {
  const storage: Storage = { bytes: sizeOf(shape) * bytesPerElement[dtype], label, buffer: null, offset: -1, needsGrad: false };
  return { dtype, shape, ld: rowLength(shape), storage, offset: 0 };
}

/** Columns [start, start + count) of a matrix (T, C), without a copy. */
export function columns(x: Tensor, start: number, count: number): Tensor {
  if (x.shape.length !== 2 || start < 0 || start + count > x.shape[1]!) {
    throw new TiefsucheError('SHAPE', `columns: ${start}..${start + count} are not inside [${x.shape}]`);
  }
  return { ...x, shape: [x.shape[0]!, count], offset: x.offset + start };
}

/** The same elements under another shape; only for tensors without gaps. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  if (sizeOf(shape) !== sizeOf(x.shape) || x.ld !== rowLength(x.shape)) {
    throw new TiefsucheError('SHAPE', `reshape: [${x.shape}] (row stride ${x.ld}) cannot become [${shape}]`);
  }
  return { ...x, shape, ld: rowLength(shape) };
}

export function expectShape(op: string, what: string, got: Shape, expected: Shape): void {
  if (got.length !== expected.length || got.some((d, i) => d !== expected[i])) {
    throw new TiefsucheError('SHAPE', `${op}: ${what} has shape [${got}], expected [${expected}]`);
  }
}
