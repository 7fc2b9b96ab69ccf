// f32 values into GGML's quantised blocks, the way back of gguf-quants.ts. Each block of a row has its own scale:
//   Q8_0: d = max|w| / 127;                       Q5_0: d = (value of largest magnitude) / -16, q = w/d + 16
//   Q5_1: d = (max - min) / 31, m = min;          K-quants: 256 weights in sub-blocks with 6- or 8-bit scales of their own.
//   Q4_K, Q5_K: 8 sub-blocks of 32, w = d s q - dmin m;  Q6_K: 16 sub-blocks of 16, w = d s (q - 32).
// Scales of K-quants are searched for: the scale tried is the one with the smallest weighted squared error.
// Source: ggml/src/ggml-quants.c (block layouts, the searches of make_qx_quants and make_qkx2_quants), read, not copied.

import { float16Bits, float16Value, fromFloat32 } from './dtypes.ts';

const fround = Math.fround;
/** Nearest whole number as ggml takes it: halves away from zero in the simple types. */
const roundAway = (x: number): number => Math.sign(x) * Math.floor(Math.abs(x) + 0.5);
// Adding 1.5 · 2^52 leaves no room for fractions, so the addition rounds: halves to even, as ggml's nearest_int does.
const wholeOnly = 1.5 * 2 ** 52;
const roundEven = (x: number): number => (x + wholeOnly) - wholeOnly;
const within = (x: number, most: number): number => (x < 0 ? 0 : x > most ? most : x);

function putHalf(out: Uint8Array, at: number, value: number): number {
  const bits = float16Bits(value);
  out[at] = bits & 255;
  out[at + 1] = bits >> 8;
  return float16Value(bits);
}

function quantizeQ8_0(x: Float32Array): Uint8Array {
  const blocks = x.length / 32, out = new Uint8Array(blocks * 34);
  for (let b = 0, at = 0; b < blocks; b++, at += 34) {
    let most = 0;
    for (let i = 0; i < 32; i++) most = Math.max(most, Math.abs(x[b * 32 + i]!));
    const d = fround(most / 127), inverse = d === 0 ? 0 : fround(1 / d);
    putHalf(out, at, d);
    for (let i = 0; i < 32; i++) out[at + 2 + i] = roundAway(fround(x[b * 32 + i]! * inverse));
  }
  return out;
}

/** Packs 32 five-bit codes: high bits as one u32, low halves as in the 4-bit types. */
function putFive(out: Uint8Array, at: number, codes: Uint8Array): void {
  let high = 0;
  for (let i = 0; i < 16; i++) {
    out[at + 4 + i] = (codes[i]! & 15) | ((codes[i + 16]! & 15) << 4);
    high |= ((codes[i]! >> 4) << i) | ((codes[i + 16]! >> 4) << (i + 16));
  }
  for (let k = 0; k < 4; k++) out[at + k] = (high >>> (8 * k)) & 255;
}

function quantizeQ5_0(x: Float32Array): Uint8Array {
  const blocks = x.length / 32, out = new Uint8Array(blocks * 22), codes = new Uint8Array(32);
  for (let b = 0, at = 0; b < blocks; b++, at += 22) {
    let largest = 0;
    for (let i = 0; i < 32; i++) { const v = x[b * 32 + i]!; if (Math.abs(v) > Math.abs(largest)) largest = v; }
    const d = fround(largest / -16), inverse = d === 0 ? 0 : fround(1 / d);
    putHalf(out, at, d);
    for (let i = 0; i < 32; i++) codes[i] = within(Math.trunc(fround(fround(x[b * 32 + i]! * inverse) + 16.5)), 31);
    putFive(out, at + 2, codes);
  }
  return out;
}

function quantizeQ5_1(x: Float32Array): Uint8Array {
  const blocks = x.length / 32, out = new Uint8Array(blocks * 24), codes = new Uint8Array(32);
  for (let b = 0, at = 0; b < blocks; b++, at += 24) {
    let low = Infinity, high = -Infinity;
    for (let i = 0; i < 32; i++) { const v = x[b * 32 + i]!; if (v < low) low = v; if (v > high) high = v; }
    const d = fround(fround(high - low) / 31), inverse = d === 0 ? 0 : fround(1 / d);
    putHalf(out, at, d);
    putHalf(out, at + 2, low);
    for (let i = 0; i < 32; i++) codes[i] = within(Math.trunc(fround(fround(fround(x[b * 32 + i]! - low) * inverse) + 0.5)), 31);
    putFive(out, at + 4, codes);
  }
  return out;
}

interface Fit { readonly scale: number; /** Positive: what is subtracted. */ readonly min: number }

/**
 * Scale and minimum (at most 0) for codes 0…most of `n` values from `from`: a first guess from the range, then `steps`
 * other inverse scales, each with the least-squares scale and minimum for its codes; the one with the least error stays.
 */
function fitRange(x: Float32Array, from: number, n: number, weights: Float32Array, most: number, codes: Uint8Array, first: number, step: number, steps: number): Fit {
  let low = x[from]!, high = x[from]!, sumW = 0, sumX = 0;
  for (let i = 0; i < n; i++) {
    const v = x[from + i]!;
    if (v < low) low = v;
    if (v > high) high = v;
    sumW += weights[i]!;
    sumX += weights[i]! * v;
  }
  if (low > 0) low = 0;
  if (high === low) { codes.fill(0, 0, n); return { scale: 0, min: -low }; }
  let scale = (high - low) / most, min = low, best = 0;
  for (let i = 0; i < n; i++) {
    codes[i] = within(roundEven((x[from + i]! - low) / scale), most);
    const d = scale * codes[i]! + min - x[from + i]!;
    best += weights[i]! * d * d;
  }
  const tried = new Uint8Array(n);
  for (let s = 0; s <= steps; s++) {
    const inverse = (first + step * s + most) / (high - low);
    let sumL = 0, sumL2 = 0, sumXL = 0;
    for (let i = 0; i < n; i++) {
      const l = within(roundEven(inverse * (x[from + i]! - low)), most), w = weights[i]!;
      tried[i] = l;
      sumL += w * l;
      sumL2 += w * l * l;
      sumXL += w * l * x[from + i]!;
    }
    const D = sumW * sumL2 - sumL * sumL;
    if (D <= 0) continue;
    let s1 = (sumW * sumXL - sumX * sumL) / D, m1 = (sumL2 * sumX - sumL * sumXL) / D;
    if (m1 > 0) { m1 = 0; s1 = sumXL / sumL2; }
    let error = 0;
    for (let i = 0; i < n; i++) { const d = s1 * tried[i]! + m1 - x[from + i]!; error += weights[i]! * d * d; }
    if (error < best) { codes.set(tried); best = error; scale = s1; min = m1; }
  }
  return { scale, min: -min };
}

/** 12 bytes for 8 scales and 8 minima of 6 bits. */
function putScales(out: Uint8Array, at: number, scales: Uint8Array, mins: Uint8Array): void {
  for (let j = 0; j < 4; j++) {
    out[at + j] = (scales[j]! & 63) | ((scales[j + 4]! >> 4) << 6);
    out[at + 4 + j] = (mins[j]! & 63) | ((mins[j + 4]! >> 4) << 6);
    out[at + 8 + j] = (scales[j + 4]! & 15) | ((mins[j + 4]! & 15) << 4);
  }
}

/** Q4_K and Q5_K, which differ in the bits of a code and in where the search looks. */
function quantizeRange(x: Float32Array, bits: 4 | 5): Uint8Array {
  const most = (1 << bits) - 1, size = bits === 4 ? 144 : 176, blocks = x.length / 256, out = new Uint8Array(blocks * size);
  const codes = new Uint8Array(256), scales = new Float64Array(8), mins = new Float64Array(8), ls = new Uint8Array(8), lm = new Uint8Array(8), weights = new Float32Array(32);
  const [first, step, steps] = bits === 4 ? [-1, 0.1, 20] : [-0.5, 0.1, 15];
  for (let b = 0, at = 0; b < blocks; b++, at += size) {
    let largestScale = 0, largestMin = 0;
    for (let j = 0; j < 8; j++) {
      const from = b * 256 + 32 * j;
      let squares = 0;
      for (let i = 0; i < 32; i++) squares += x[from + i]! * x[from + i]!;
      const spread = Math.sqrt(squares / 32);
      for (let i = 0; i < 32; i++) weights[i] = spread + Math.abs(x[from + i]!);
      const fit = fitRange(x, from, 32, weights, most, codes.subarray(32 * j, 32 * j + 32), first!, step!, steps!);
      scales[j] = fit.scale;
      mins[j] = fit.min;
      largestScale = Math.max(largestScale, fit.scale);
      largestMin = Math.max(largestMin, fit.min);
    }
    for (let j = 0; j < 8; j++) {
      ls[j] = within(largestScale > 0 ? roundEven(63 / largestScale * scales[j]!) : 0, 63);
      lm[j] = within(largestMin > 0 ? roundEven(63 / largestMin * mins[j]!) : 0, 63);
    }
    const d = putHalf(out, at, largestScale / 63), dmin = putHalf(out, at + 2, largestMin / 63);
    putScales(out, at + 4, ls, lm);
    for (let j = 0; j < 8; j++) {
      const scale = d * ls[j]!, min = dmin * lm[j]!;
      if (scale !== 0) for (let i = 0; i < 32; i++) codes[32 * j + i] = within(roundEven((x[b * 256 + 32 * j + i]! + min) / scale), most);
    }
    const low = at + (bits === 4 ? 16 : 48);
    for (let pair = 0; pair < 4; pair++) {
      for (let i = 0; i < 32; i++) {
        const a = codes[64 * pair + i]!, c = codes[64 * pair + 32 + i]!;
        out[low + 32 * pair + i] = (a & 15) | ((c & 15) << 4);
        if (bits === 5) out[at + 16 + i]! |= ((a >> 4) << (2 * pair)) | ((c >> 4) << (2 * pair + 1));
      }
    }
  }
  return out;
}

const signed = (x: number): number => (x < -32 ? -32 : x > 31 ? 31 : x);

/** Symmetric scale for codes -32…31 of 16 values: least squares weighted by w², over 19 scales around the first guess. */
function fitSigned(x: Float32Array, from: number): number {
  let largest = 0;
  for (let i = 0; i < 16; i++) { const v = x[from + i]!; if (Math.abs(v) > Math.abs(largest)) largest = v; }
  if (Math.abs(largest) < 1e-15) return 0;
  let best = 0, scale = 0;
  for (let s = -9; s <= 9; s++) {
    const inverse = -(32 + 0.1 * s) / largest;
    let sumLX = 0, sumL2 = 0;
    for (let i = 0; i < 16; i++) {
      const v = x[from + i]!, l = signed(roundEven(inverse * v)), w = v * v;
      sumLX += w * v * l;
      sumL2 += w * l * l;
    }
    if (sumL2 > 0 && (scale === 0 || sumLX * sumLX > best * sumL2)) { scale = sumLX / sumL2; best = scale * sumLX; }
  }
  return scale;
}

function quantizeQ6_K(x: Float32Array): Uint8Array {
  const blocks = x.length / 256, out = new Uint8Array(blocks * 210), scales = new Float64Array(16), codes = new Uint8Array(256);
  for (let b = 0, at = 0; b < blocks; b++, at += 210) {
    let largest = 0;
    for (let j = 0; j < 16; j++) {
      scales[j] = fitSigned(x, b * 256 + 16 * j);
      if (Math.abs(scales[j]!) > Math.abs(largest)) largest = scales[j]!;
    }
    if (Math.abs(largest) < 1e-15) continue;
    const inverse = -128 / largest, d = putHalf(out, at + 208, 1 / inverse);
    for (let j = 0; j < 16; j++) {
      const s = Math.min(127, roundEven(inverse * scales[j]!)), scale = d * s;
      out[at + 192 + j] = s;
      for (let i = 0; i < 16; i++) codes[16 * j + i] = scale === 0 ? 32 : signed(roundEven(x[b * 256 + 16 * j + i]! / scale)) + 32;
    }
    for (let half = 0; half < 2; half++) {
      for (let i = 0; i < 32; i++) {
        const q = (k: number): number => codes[128 * half + 32 * k + i]!;
        out[at + 64 * half + i] = (q(0) & 15) | ((q(2) & 15) << 4);
        out[at + 64 * half + 32 + i] = (q(1) & 15) | ((q(3) & 15) << 4);
        out[at + 128 + 32 * half + i] = (q(0) >> 4) | ((q(1) >> 4) << 2) | ((q(2) >> 4) << 4) | ((q(3) >> 4) << 6);
      }
    }
  }
  return out;
}

const quantizers: Readonly<Record<string, (x: Float32Array) => Uint8Array>> = {
  F32: (x) => fromFloat32(x, 'F32'), F16: (x) => fromFloat32(x, 'F16'), BF16: (x) => fromFloat32(x, 'BF16'),
  Q8_0: quantizeQ8_0, Q5_0: quantizeQ5_0, Q5_1: quantizeQ5_1,
  Q4_K: (x) => quantizeRange(x, 4), Q5_K: (x) => quantizeRange(x, 5), Q6_K: quantizeQ6_K,
};

/** Types that can be written, by their name in GGUF. */
export type GgufFormat = 'F32' | 'F16' | 'BF16' | 'Q8_0' | 'Q4_K' | 'Q5_K' | 'Q6_K';
export const ggufFormats: readonly GgufFormat[] = ['F32', 'F16', 'BF16', 'Q8_0', 'Q6_K', 'Q5_K', 'Q4_K'];

/** Whole rows of f32 as blocks of a type. */
export function quantize(values: Float32Array, dtype: string): Uint8Array {
  return quantizers[dtype]!(values);
}
