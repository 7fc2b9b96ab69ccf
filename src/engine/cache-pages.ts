// Pages of the cache in fewer bits, for fast mode: what native/cache-pages.h does, in plain TypeScript.
// One head of a page holds 64 positions of keys (C, 64) or values (64, C):
//   f16  C · 64 halves
//   q8   C · 64 bytes, x ≈ s q with s = max|x| / 127 over the channels of a position, then the 64 scales (f32)
// The bytes travel as i32.

import type { View } from './kernel.ts';
import { keyBlock } from './ops/attention.ts';
import { halfValue } from './panels.ts';

export type CacheType = 'f32' | 'f16' | 'q8';
export const cacheTypes: readonly CacheType[] = ['f32', 'f16', 'q8'];

/** Words of four bytes that one head of a page takes. */
export const pageWords = (type: CacheType, channels: number): number => (keyBlock * { f32: 4 * channels, f16: 2 * channels, q8: channels + 4 }[type]) / 4;

const bytesOf = (view: View, from: number, length: number): DataView => new DataView(view.buffer, view.byteOffset + from, length);

/** The nearest f16, ties to even. */
export function halfBits(x: number): number {
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0, size = Math.abs(x);
  if (Number.isNaN(x)) return sign | 0x7e00;
  if (size >= 65520) return sign | 0x7c00;
  const exponent = Math.max(-14, Math.floor(Math.log2(size || 2 ** -20))), unit = 2 ** (exponent - 10); // the last place, 2^-24 for the smallest
  const whole = size / unit, down = Math.floor(whole), rest = whole - down, count = down + (rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? 1 : 0);
  return sign | (count + (exponent + 14) * 1024); // of 2^-14 and above, count begins at 1024: the exponent's own first step
}

/** Puts the channels of one position of a head into its page, `step` elements apart from `first` on. */
export function packPage(kind: number, pages: View, head: number, position: number, x: ArrayLike<number>, first: number, step: number): void {
  const type = cacheTypes[kind]!, C = x.length, bytes = pageWords(type, C) * 4, page = bytesOf(pages, head * bytes, bytes), f = Math.fround;
  if (type === 'f16') {
    for (let c = 0; c < C; c++) page.setUint16(2 * (first + c * step), halfBits(x[c]!), true);
    return;
  }
  let largest = 0;
  for (let c = 0; c < C; c++) largest = Math.max(largest, Math.abs(x[c]!));
  const inverse = largest > 0 ? f(127 / largest) : 0, magic = 12582912;
  for (let c = 0; c < C; c++) page.setInt8(first + c * step, f(f(f(x[c]! * inverse) + magic) - magic));
  page.setFloat32(C * keyBlock + 4 * position, f(largest / 127), true);
}

/** Element `at` of a head's page, which belongs to `position`. */
export function unpackPage(kind: number, pages: View, head: number, channels: number, at: number, position: number): number {
  const type = cacheTypes[kind]!, bytes = pageWords(type, channels) * 4, page = bytesOf(pages, head * bytes, bytes);
  return type === 'f16' ? halfValue(page.getUint16(2 * at, true)) : Math.fround(page.getInt8(at) * page.getFloat32(channels * keyBlock + 4 * position, true));
}
