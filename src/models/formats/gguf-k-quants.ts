// K-quants to f32: blocks of 256 weights in sub-blocks with small whole scales of their own.
//   Q4_K: f16 d, f16 dmin, 12 bytes of 6-bit scales and minima, 128 bytes of q;   w = d s q − dmin m, 8 sub-blocks of 32
//   Q5_K: the same with 32 bytes of fifth bits before q (bit j: sub-block j)
//   Q6_K: 128 bytes of low 4 bits, 64 of high 2 bits, 16 signed scales, f16 d;     w = d s (q − 32), 16 sub-blocks of 16
// Scales and products are rounded to f32 each, as in gguf-py. Source: ggml-common.h and ggml-quants.c, read, not copied.

import { float16Table } from './dtypes.ts';

type Bytes = Uint8Array<ArrayBuffer>;
const half = (bytes: Bytes, at: number): number => float16Table()[bytes[at]! | (bytes[at + 1]! << 8)]!;

/** Scale and minimum of sub-block j: six bits each, the upper two of the last four apart. */
function scaleAndMin(b: Bytes, at: number, j: number): [scale: number, min: number] {
  if (j < 4) return [b[at + j]! & 63, b[at + j + 4]! & 63];
  return [(b[at + j + 4]! & 15) | ((b[at + j - 4]! >> 6) << 4), (b[at + j + 4]! >> 4) | ((b[at + j]! >> 6) << 4)];
}

/** Q4_K and Q5_K, which differ in the fifth bits: (blocks, 144 or 176 bytes) → (blocks · 256). */
const dequantizeRange = (fifth: boolean) => (bytes: Bytes): Float32Array<ArrayBuffer> => {
  const size = fifth ? 176 : 144, blocks = bytes.length / size, out = new Float32Array(blocks * 256);
  for (let b = 0, at = 0, o = 0; b < blocks; b++, at += size) {
    const d = half(bytes, at), dmin = half(bytes, at + 2), high = at + 16, low = fifth ? high + 32 : high;
    for (let j = 0; j < 8; j++) {
      const [s, m] = scaleAndMin(bytes, at + 4, j), scale = Math.fround(d * s), min = Math.fround(dmin * m), from = low + (j >> 1) * 32, shift = (j & 1) * 4;
      for (let i = 0; i < 32; i++) {
        const q = ((bytes[from + i]! >> shift) & 15) | (fifth ? ((bytes[high + i]! >> j) & 1) << 4 : 0);
        out[o++] = Math.fround(scale * q) - min;
      }
    }
  }
  return out;
};

export const dequantizeQ4_K = dequantizeRange(false);
export const dequantizeQ5_K = dequantizeRange(true);

/** (blocks, 210 bytes) → (blocks · 256). */
export function dequantizeQ6_K(bytes: Bytes): Float32Array<ArrayBuffer> {
  const blocks = bytes.length / 210, out = new Float32Array(blocks * 256);
  for (let b = 0, at = 0, o = 0; b < blocks; b++, at += 210) {
    const d = half(bytes, at + 208);
    for (let j = 0; j < 8; j++) { // runs of 32; four of them share 32 bytes of high bits
      const part = j >> 2, k = j & 3, low = at + part * 64 + (k & 1) * 32, high = at + 128 + part * 32;
      for (let i = 0; i < 32; i++) {
        const q = ((bytes[low + i]! >> ((k >> 1) * 4)) & 15) | (((bytes[high + i]! >> (2 * k)) & 3) << 4);
        const s = (bytes[at + 192 + 2 * j + (i >> 4)]! << 24) >> 24;
        out[o++] = Math.fround(d * s) * (q - 32);
      }
    }
  }
  return out;
}
