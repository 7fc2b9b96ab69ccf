// Weights must be numbers: one NaN or infinity makes every answer one. As values, or as bytes that stay as they are in the
// file: halves, and the f16 scales of quantised blocks (their integers are always finite).

import { TiefsucheError } from '../../errors.ts';

/** Refuses NaN and infinity: one of them in the weights makes every answer one. */
export function requireFinite(name: string, values: Float32Array): void {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * 0; // 0 unless a value is not finite; quicker than asking each
  if (sum === 0) return;
  const at = values.findIndex((x) => !Number.isFinite(x));
  throw notFinite(name, `${values[at]} at element ${at}`);
}

/** Bytes of a block, and where its f16 scales stand; ggml-common.h. */
const scales: Readonly<Record<string, readonly [block: number, ...at: number[]]>> = {
  F16: [2, 0], Q4_0: [18, 0], Q4_1: [20, 0, 2], Q5_0: [22, 0], Q5_1: [24, 0, 2], Q8_0: [34, 0], Q4_K: [144, 0, 2], Q5_K: [176, 0, 2], Q6_K: [210, 208],
};

/** The same for bytes of a file's type; types that are not known here pass. */
export function requireFiniteBytes(name: string, dtype: string, bytes: Uint8Array): void {
  const [block, ...at] = dtype === 'BF16' ? [2, 0] : scales[dtype] ?? [0], exponent = dtype === 'BF16' ? 0x7f80 : 0x7c00;
  if (block === 0) return;
  for (let from = 0; from < bytes.length; from += block) for (const offset of at) {
    const bits = bytes[from + offset]! | (bytes[from + offset + 1]! << 8);
    if ((bits & exponent) === exponent) throw notFinite(name, `a value that is no number in block ${from / block}`);
  }
}

const notFinite = (name: string, what: string): TiefsucheError =>
  new TiefsucheError('NUMERICS', `weight ${name} holds ${what}`, { hint: 'The file is damaged, or training went wrong before it was saved: fetch it again, or take an earlier checkpoint.' });
