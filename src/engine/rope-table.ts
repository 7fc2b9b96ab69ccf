// Cosines and sines for rotary embeddings, freq_i = θ^(−2i/R), and what stretches them for long contexts.
//   linear: all frequencies / factor (Gemma 3).  llama3: those with a wavelength 2π/f above L/low are divided by factor,
//   those below L/high stay, between them f · ((1 − s)/factor + s) with s = (L f/2π − low)/(high − low) (Llama 3.1).
//   YaRN (Peng et al. 2023), as DeepSeek uses it, divides low frequencies by `factor` and blends between the two over a ramp;
//   ramp bounds: dim(r) = R · ln(L/(2πr)) / (2 ln θ), low = ⌊dim(betaFast)⌋, high = ⌈dim(betaSlow)⌉.
// The attention scale grows by m² with m = 0.1 · mscaleAllDim · ln(factor) + 1; the table by m(mscale)/m(mscaleAllDim).

import { cosSin, log, pow } from './elementary.ts';

export interface Yarn {
  readonly factor: number;
  readonly originalMaxPositions: number;
  readonly betaFast: number;
  readonly betaSlow: number;
  readonly mscale: number;
  readonly mscaleAllDim: number;
}

export interface Llama3Scaling {
  readonly factor: number;
  readonly originalMaxPositions: number;
  readonly lowFactor: number;
  readonly highFactor: number;
}

export interface Rope { readonly dim: number; readonly theta: number; readonly yarn?: Yarn | undefined; readonly llama3?: Llama3Scaling; /** Factor of linear scaling. */ readonly linear?: number }

const mscale = (factor: number, m: number): number => (factor <= 1 || m === 0 ? 1 : 0.1 * m * log(factor) + 1);

/** Rotations per position in radians, R/2 of them. */
export function ropeFrequencies({ dim, theta, yarn, llama3, linear = 1 }: Rope): number[] {
  const plain = Array.from({ length: dim / 2 }, (_, i) => pow(theta, (-2 * i) / dim));
  if (llama3) return plain.map((f) => llama3Frequency(f, llama3));
  if (!yarn) return plain.map((f) => f / linear);
  const dimOf = (rotations: number): number => (dim * log(yarn.originalMaxPositions / (2 * Math.PI * rotations))) / (2 * log(theta));
  const low = Math.max(Math.floor(dimOf(yarn.betaFast)), 0);
  const high = Math.min(Math.ceil(dimOf(yarn.betaSlow)), dim - 1);
  return plain.map((f, i) => {
    const ramp = Math.min(1, Math.max(0, (i - low) / (high === low ? 0.001 : high - low)));
    return (f / yarn.factor) * ramp + f * (1 - ramp);
  });
}

function llama3Frequency(f: number, { factor, originalMaxPositions, lowFactor, highFactor }: Llama3Scaling): number {
  const rotations = (originalMaxPositions * f) / (2 * Math.PI); // over the original context
  if (rotations > highFactor) return f;
  if (rotations < lowFactor) return f / factor;
  const s = (rotations - lowFactor) / (highFactor - lowFactor);
  return f * ((1 - s) / factor + s);
}

/** Factor on the softmax scale of attention (m²); 1 without YaRN. */
export const yarnAttentionScale = (yarn?: Yarn): number => (yarn ? mscale(yarn.factor, yarn.mscaleAllDim) ** 2 : 1);

/** Rows of R/2 cosines and R/2 sines for positions 0 … positions−1, flat (positions, R). */
export function ropeTable(positions: number, rope: Rope): Float32Array {
  const half = rope.dim / 2;
  const frequencies = ropeFrequencies(rope);
  const { yarn } = rope;
  const gain = yarn ? mscale(yarn.factor, yarn.mscale || 1) / mscale(yarn.factor, yarn.mscale ? yarn.mscaleAllDim : 0) : 1;
  const table = new Float32Array(positions * rope.dim);
  for (let p = 0; p < positions; p++) for (let i = 0; i < half; i++) {
    const [c, s] = cosSin(p * frequencies[i]!);
    table[p * rope.dim + i] = c * gain;
    table[p * rope.dim + half + i] = s * gain;
  }
  return table;
}
