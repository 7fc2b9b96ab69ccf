// Builds the front part of GGUF files, and small files whole in memory (vocabularies, fixtures): the other direction of gguf.ts.
// Same layout and source; values are given with their type, tensors as raw bytes of theirs.

import { ggmlTypes } from './gguf-quants.ts';

/** Value types by name, with their number in the file. */
export const ggufTypes = {
  u8: 0, i8: 1, u16: 2, i16: 3, u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9, u64: 10, i64: 11, f64: 12,
} as const;

export type GgufTypeName = keyof typeof ggufTypes;

/** A value with its type; an array also names the type of its elements. */
export type TypedValue =
  | { readonly type: Exclude<GgufTypeName, 'array'>; readonly value: number | bigint | boolean | string }
  | { readonly type: 'array'; readonly of: Exclude<GgufTypeName, 'array'>; readonly value: readonly (number | bigint | boolean | string)[] };

export interface GgufTensorToBuild {
  readonly name: string;
  /** Slowest dimension first. */
  readonly shape: readonly number[];
  /** A ggml type name, such as F32 or Q4_1. */
  readonly dtype: string;
  readonly bytes: Uint8Array;
}

const numberOfType = new Map([...ggmlTypes].map(([code, { name }]) => [name, code]));

/** A tensor as the file's front part lists it. */
export interface GgufTensorInfo { readonly name: string; /** Slowest dimension first. */ readonly shape: readonly number[]; readonly dtype: string; readonly byteLength: number }

/** Everything before the tensors' data: keys, tensor infos, and the padding after them. */
export function ggufFront(metadata: ReadonlyMap<string, TypedValue>, tensors: readonly GgufTensorInfo[], alignment = 32): Uint8Array {
  const head: Uint8Array[] = [Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(metadata.size)];
  for (const [key, value] of metadata) head.push(text(key), u32(ggufTypes[value.type]), encoded(value));
  let offset = 0;
  for (const { name, shape, dtype, byteLength } of tensors) {
    head.push(text(name), u32(shape.length), ...shape.toReversed().map(u64), u32(numberOfType.get(dtype)!), u64(offset));
    offset += padded(byteLength, alignment);
  }
  const front = Buffer.concat(head);
  return Buffer.concat([front, Buffer.alloc(padded(front.length, alignment) - front.length)]);
}

/** The bytes of a GGUF v3 file. */
export function buildGguf(metadata: ReadonlyMap<string, TypedValue>, tensors: readonly GgufTensorToBuild[] = [], alignment = 32): Uint8Array {
  const parts = [ggufFront(metadata, tensors.map((t) => ({ ...t, byteLength: t.bytes.length })), alignment)];
  for (const { bytes } of tensors) parts.push(bytes, Buffer.alloc(padded(bytes.length, alignment) - bytes.length));
  return Buffer.concat(parts);
}

/** Length with the padding up to the next multiple. */
export const padded = (length: number, alignment: number): number => Math.ceil(length / alignment) * alignment;
const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
const u64 = (value: number): Uint8Array => new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);
const text = (value: string): Uint8Array => { const bytes = Buffer.from(value); return Buffer.concat([u64(bytes.length), bytes]); };

function encoded(value: TypedValue): Uint8Array {
  if (value.type !== 'array') return scalar(value.type, value.value);
  return Buffer.concat([u32(ggufTypes[value.of]), u64(value.value.length), Buffer.concat(value.value.map((v) => scalar(value.of, v)))]);
}

function scalar(type: Exclude<GgufTypeName, 'array'>, value: number | bigint | boolean | string): Uint8Array {
  if (type === 'string') return text(String(value));
  const n = Number(value);
  switch (type) {
    case 'u8': case 'i8': case 'bool': return Uint8Array.of(n);
    case 'u16': case 'i16': return new Uint8Array(Uint16Array.of(n).buffer);
    case 'u32': case 'i32': return u32(n);
    case 'f32': return new Uint8Array(Float32Array.of(n).buffer);
    case 'f64': return new Uint8Array(Float64Array.of(n).buffer);
    case 'u64': case 'i64': return new Uint8Array(BigInt64Array.of(BigInt.asIntN(64, BigInt(value))).buffer);
  }
}
