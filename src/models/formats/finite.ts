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
  if (dtype === 'MXFP4') for (let i = 0; i < bytes.length; i += 17) if (bytes[i]! > 252) throw notFinite(name, `a value that is no number in block ${i / 17}`); // 6 · 2^(253 − 127) is beyond f32
  if (block === 0) return;
  if (block === 2 && !mayHold(bytes, exponent)) return;
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 1), step = block / 2; // blocks have an even length, files are read to even addresses
  for (const offset of at) for (let i = offset / 2; i < halves.length; i += step) {
    if ((halves[i]! & exponent) === exponent) throw notFinite(name, `a value that is no number in block ${Math.floor(i / step)}`);
  }
}

/** Two halves at a time: whether one of them could have all bits of its exponent. */
function mayHold(bytes: Uint8Array, exponent: number): boolean {
  if (bytes.byteOffset % 4 !== 0) return true;
  const pairs = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2), high = exponent * 65536;
  for (let i = 0; i < pairs.length; i++) if ((pairs[i]! & exponent) === exponent || (pairs[i]! & high) === high) return true;
  return bytes.byteLength % 4 !== 0;
}

const notFinite = (name: string, what: string): TiefsucheError =>
  new TiefsucheError('NUMERICS', `weight ${name} holds ${what}`, { hint: 'The file is damaged, or training went wrong before it was saved: fetch it again, or take an earlier checkpoint.' });
