// GGML tensor types: how many elements a block holds, how many bytes it takes, and its values as f32.
//   Q4_0: 32 weights, f16 d, 16 bytes of 4-bit q;      w = d (q - 8)
//   Q4_1: 32 weights, f16 d, f16 m, 16 bytes of q;     w = d q + m
//   Q5_0, Q5_1: the same with 4 bytes of fifth bits before q (bit i: weight i); Q5_0 takes 16 off instead of 8
//   Q8_0: 32 weights, f16 d, 32 signed bytes q;        w = d q
//   MXFP4: 32 weights, a power of two 2^(e − 127), 16 bytes of q;  w = that times a 4-bit float (sign, 2 exponent bits, 1 of mantissa)
// In the 4-bit types byte i holds weight i in its low half and weight i + 16 in its high half.
// Source: ggml/src/ggml-common.h and ggml-quants.c (block layouts), read, not copied.

import { float16Table, toFloat32 } from './dtypes.ts';
import { dequantizeQ4_K, dequantizeQ5_K, dequantizeQ6_K } from './gguf-k-quants.ts';

export interface GgmlType {
  readonly name: string;
  /** Elements per block. */
  readonly block: number;
  /** Bytes per block. */
  readonly bytes: number;
}

const type = (name: string, block: number, bytes: number): GgmlType => ({ name, block, bytes });

/** Types by their number in the file. Those without a converter below can be listed and read as bytes only. */
export const ggmlTypes: ReadonlyMap<number, GgmlType> = new Map([
  [0, type('F32', 1, 4)], [1, type('F16', 1, 2)], [2, type('Q4_0', 32, 18)], [3, type('Q4_1', 32, 20)],
  [6, type('Q5_0', 32, 22)], [7, type('Q5_1', 32, 24)], [8, type('Q8_0', 32, 34)], [9, type('Q8_1', 32, 36)],
  [10, type('Q2_K', 256, 84)], [11, type('Q3_K', 256, 110)], [12, type('Q4_K', 256, 144)], [13, type('Q5_K', 256, 176)],
  [14, type('Q6_K', 256, 210)], [15, type('Q8_K', 256, 292)], [16, type('IQ2_XXS', 256, 66)], [17, type('IQ2_XS', 256, 74)],
  [18, type('IQ3_XXS', 256, 98)], [19, type('IQ1_S', 256, 50)], [20, type('IQ4_NL', 32, 18)], [21, type('IQ3_S', 256, 110)],
  [22, type('IQ2_S', 256, 82)], [23, type('IQ4_XS', 256, 136)], [24, type('I8', 1, 1)], [25, type('I16', 1, 2)],
  [26, type('I32', 1, 4)], [27, type('I64', 1, 8)], [28, type('F64', 1, 8)], [29, type('IQ1_M', 256, 56)],
  [30, type('BF16', 1, 2)], [34, type('TQ1_0', 256, 54)], [35, type('TQ2_0', 256, 66)], [39, type('MXFP4', 32, 17)],
]);

type Bytes = Uint8Array<ArrayBuffer>;
const half = (bytes: Bytes, at: number): number => float16Table()[bytes[at]! | (bytes[at + 1]! << 8)]!;

/** Q4_0 blocks to f32: (blocks, 18 bytes) -> (blocks * 32). */
export function dequantizeQ4_0(bytes: Bytes): Float32Array<ArrayBuffer> {
  const blocks = bytes.length / 18, out = new Float32Array(blocks * 32);
  for (let b = 0, at = 0, o = 0; b < blocks; b++, at += 18, o += 32) {
    const d = half(bytes, at);
    for (let i = 0; i < 16; i++) {
      const q = bytes[at + 2 + i]!;
      out[o + i] = d * ((q & 15) - 8);
      out[o + 16 + i] = d * ((q >> 4) - 8);
    }
  }
  return out;
}

/** Q4_1 blocks to f32: (blocks, 20 bytes) -> (blocks * 32). Product and sum are rounded to f32 each, as in ggml. */
export function dequantizeQ4_1(bytes: Bytes): Float32Array<ArrayBuffer> {
  const blocks = bytes.length / 20, out = new Float32Array(blocks * 32);
  for (let b = 0, at = 0, o = 0; b < blocks; b++, at += 20, o += 32) {
    const d = half(bytes, at), m = half(bytes, at + 2);
    for (let i = 0; i < 16; i++) {
      const q = bytes[at + 4 + i]!;
      out[o + i] = Math.fround(d * (q & 15)) + m;
      out[o + 16 + i] = Math.fround(d * (q >> 4)) + m;
    }
  }
  return out;
}

/** Q5_0 or Q5_1 blocks to f32: (blocks, 22 or 24 bytes) -> (blocks * 32). */
const dequantizeQ5 = (withMin: boolean) => (bytes: Bytes): Float32Array<ArrayBuffer> => {
  const size = withMin ? 24 : 22, blocks = bytes.length / size, out = new Float32Array(blocks * 32);
  for (let b = 0, at = 0, o = 0; b < blocks; b++, at += size, o += 32) {
    const d = half(bytes, at), m = withMin ? half(bytes, at + 2) : 0, fifth = at + (withMin ? 4 : 2), low = fifth + 4;
    for (let i = 0; i < 32; i++) {
      const q = ((bytes[low + (i & 15)]! >> (i < 16 ? 0 : 4)) & 15) | (((bytes[fifth + (i >> 3)]! >> (i & 7)) & 1) << 4);
      out[o + i] = withMin ? Math.fround(d * q) + m : d * (q - 16);
    }
  }
  return out;
};

export const dequantizeQ5_0 = dequantizeQ5(false);
export const dequantizeQ5_1 = dequantizeQ5(true);

/** Q8_0 blocks to f32: (blocks, 34 bytes) -> (blocks * 32). */
export function dequantizeQ8_0(bytes: Bytes): Float32Array<ArrayBuffer> {
  const blocks = bytes.length / 34, out = new Float32Array(blocks * 32);
  for (let b = 0, at = 0, o = 0; b < blocks; b++, at += 34, o += 32) {
    const d = half(bytes, at);
    for (let i = 0; i < 32; i++) out[o + i] = d * ((bytes[at + 2 + i]! << 24) >> 24);
  }
  return out;
}

/** The sixteen numbers of FP4 (E2M1; OCP Microscaling Formats 1.0, §5.3.3), with one zero, as in ggml. */
const fp4 = [0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6];

/** MXFP4 blocks to f32: (blocks, 17 bytes) -> (blocks * 32). */
export function dequantizeMXFP4(bytes: Bytes): Float32Array<ArrayBuffer> {
  const blocks = bytes.length / 17, out = new Float32Array(blocks * 32);
  for (let b = 0, at = 0, o = 0; b < blocks; b++, at += 17, o += 32) {
    const scale = 2 ** (bytes[at]! - 127);
    for (let i = 0; i < 16; i++) {
      out[o + i] = scale * fp4[bytes[at + 1 + i]! & 15]!;
      out[o + 16 + i] = scale * fp4[bytes[at + 1 + i]! >> 4]!;
    }
  }
  return out;
}

const plain = (dtype: string) => (bytes: Bytes): Float32Array<ArrayBuffer> => toFloat32(bytes, dtype);

const converters: Readonly<Record<string, (bytes: Bytes) => Float32Array<ArrayBuffer>>> = {
  F32: plain('F32'), F16: plain('F16'), BF16: plain('BF16'), F64: plain('F64'),
  I8: plain('I8'), I16: plain('I16'), I32: plain('I32'), I64: plain('I64'),
  Q4_0: dequantizeQ4_0, Q4_1: dequantizeQ4_1, Q5_0: dequantizeQ5_0, Q5_1: dequantizeQ5_1, Q8_0: dequantizeQ8_0,
  Q4_K: dequantizeQ4_K, Q5_K: dequantizeQ5_K, Q6_K: dequantizeQ6_K, MXFP4: dequantizeMXFP4,
};

/** True if `dequantize` knows the type. */
export const isDequantizable = (name: string): boolean => Object.hasOwn(converters, name);

/** Whole blocks of a type to f32. */
export function dequantize(bytes: Bytes, name: string): Float32Array<ArrayBuffer> {
  return converters[name]!(bytes);
}
