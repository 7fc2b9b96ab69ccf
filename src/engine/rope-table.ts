// Cosines and sines for rotary embeddings, with YaRN (Peng et al. 2023) for long contexts, as DeepSeek-V3 uses it:
//   freq_i = θ^(−2i/R);  YaRN divides low frequencies by `factor` and blends between the two over a ramp.
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

export interface Rope { readonly dim: number; readonly theta: number; readonly yarn?: Yarn | undefined }

const mscale = (factor: number, m: number): number => (factor <= 1 || m === 0 ? 1 : 0.1 * m * log(factor) + 1);

/** Rotations per position in radians, R/2 of them. */
export function ropeFrequencies({ dim, theta, yarn }: Rope): number[] {
  const plain = Array.from({ length: dim / 2 }, (_, i) => pow(theta, (-2 * i) / dim));
  if (!yarn) return plain;
  const dimOf = (rotations: number): number => (dim * log(yarn.originalMaxPositions / (2 * Math.PI * rotations))) / (2 * log(theta));
  const low = Math.max(Math.floor(dimOf(yarn.betaFast)), 0);
  const high = Math.min(Math.ceil(dimOf(yarn.betaSlow)), dim - 1);
  return plain.map((f, i) => {
    const ramp = Math.min(1, Math.max(0, (i - low) / (high === low ? 0.001 : high - low)));
    return (f / yarn.factor) * ramp + f * (1 - ramp);
  });
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
