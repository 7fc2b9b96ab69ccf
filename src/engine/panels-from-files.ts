// Rows of a file's bytes (GGML's blocks, or 16-bit floats) into panels (panels.ts).
// Block layouts: ggml-common.h and ggml-quants.c, read, not copied; src/models/formats/gguf-quants.ts describes them.

import { TiefsucheError } from '../errors.ts';
import { type CompressedType, blockSize, blocksInSuper, canCompress, compressedTypes, highBits, isHalf, panelBytes, panelRows, quantBytes, scaleBytes } from './panels.ts';

/** Lays rows of a file's bytes into panels, beginning at `row` of the weight. */
export function intoPanels(fileType: string, bytes: Uint8Array, K: number, row: number, panels: Uint8Array): void {
  const type = compressedTypes[fileType];
  if (!type || !canCompress(type, K)) throw new TiefsucheError('UNSUPPORTED', `rows of ${K} values cannot be kept as ${fileType}`);
  if (isHalf(type)) halvesIntoPanels(bytes, K, row, panels);
  else blocksIntoPanels(fileType, type, bytes, K, row, panels);
}

function halvesIntoPanels(bytes: Uint8Array, K: number, row: number, panels: Uint8Array): void {
  const rows = bytes.length / (2 * K), stride = panelBytes('f16', K);
  for (let i = 0, from = 0; i < rows; i++) {
    let to = Math.floor((row + i) / panelRows) * stride + ((row + i) % panelRows) * 2;
    for (let k = 0; k < K; k++, from += 2, to += 2 * panelRows) { panels[to] = bytes[from]!; panels[to + 1] = bytes[from + 1]!; }
  }
}

/** How a file's block gives up what a panel wants. `at`: where the block, or the super-block of eight, begins. */
interface FileBlock {
  readonly bytes: number;
  /** Pairs of low four bits (k in the low half, k + 16 in the high one) of k = 0 … 15; or eight bits of k = 0 … 31. */
  quants(b: Uint8Array, at: number, j: number, out: Uint8Array): void;
  /** Bits above the low four of value k of block j. */
  high?(b: Uint8Array, at: number, j: number, k: number): number;
  /** f16 bits of d and of what stands beside it; or the one byte e. */
  halves(b: Uint8Array, at: number): [d: number, other: number];
  /** Whole scales of block j. */
  steps?(b: Uint8Array, at: number, j: number): [first: number, second: number];
}

const bits16 = (b: Uint8Array, at: number): number => b[at]! | (b[at + 1]! << 8);
const copied = (skip: number, count: number, flip = 0) => (b: Uint8Array, at: number, _: number, out: Uint8Array): void => { for (let i = 0; i < count; i++) out[i] = b[at + skip + i]! ^ flip; };
const bitOf = (skip: number) => (b: Uint8Array, at: number, _: number, k: number): number => (b[at + skip + (k >> 3)]! >> (k & 7)) & 1;
const withMin = (b: Uint8Array, at: number): [number, number] => [bits16(b, at), bits16(b, at + 2)];
const withZero = (power: number) => (b: Uint8Array, at: number): [number, number] => [bits16(b, at), minusTimes(bits16(b, at), power)];

/** Sub-block j of Q4_K and Q5_K: 32 bytes hold two of them, one in the low halves and one in the high ones. */
const pairsOfK = (skip: number) => (b: Uint8Array, at: number, j: number, out: Uint8Array): void => {
  const from = at + skip + (j >> 1) * 32, shift = (j & 1) * 4;
  for (let i = 0; i < 16; i++) out[i] = ((b[from + i]! >> shift) & 15) | (((b[from + 16 + i]! >> shift) & 15) << 4);
};

/** Six bits each for scale and minimum of sub-block j, the upper two of the last four apart. */
function scaleAndMin(b: Uint8Array, block: number, j: number): [scale: number, min: number] {
  const at = block + 4;
  if (j < 4) return [b[at + j]! & 63, b[at + j + 4]! & 63];
  return [(b[at + j + 4]! & 15) | ((b[at + j - 4]! >> 6) << 4), (b[at + j + 4]! >> 4) | ((b[at + j]! >> 6) << 4)];
}

const fileBlocks: Readonly<Record<string, FileBlock>> = {
  Q4_0: { bytes: 18, quants: copied(2, 16), halves: withZero(3) },
  Q4_1: { bytes: 20, quants: copied(4, 16), halves: withMin },
  Q5_0: { bytes: 22, quants: copied(6, 16), high: bitOf(2), halves: withZero(4) },
  Q5_1: { bytes: 24, quants: copied(8, 16), high: bitOf(4), halves: withMin },
  MXFP4: { bytes: 17, quants: copied(1, 16), halves: (b, at) => [b[at]!, 0] },
  Q8_0: { bytes: 34, quants: copied(2, 32, 0x80), halves: (b, at) => [bits16(b, at), 0] },
  Q4_K: { bytes: 144, quants: pairsOfK(16), halves: withMin, steps: scaleAndMin },
  Q5_K: { bytes: 176, quants: pairsOfK(48), high: (b, at, j, k) => (b[at + 16 + k]! >> j) & 1, halves: withMin, steps: scaleAndMin },
  Q6_K: {
    bytes: 210,
    quants(b, at, j, out) { // runs of 32; j & 3 says in which of two times 32 bytes, and in which half of them
      const from = at + (j >> 2) * 64 + (j & 1) * 32, shift = ((j & 3) >> 1) * 4;
      for (let i = 0; i < 16; i++) out[i] = ((b[from + i]! >> shift) & 15) | (((b[from + 16 + i]! >> shift) & 15) << 4);
    },
    high: (b, at, j, k) => (b[at + 128 + (j >> 2) * 32 + k]! >> (2 * (j & 3))) & 3,
    halves: (b, at) => [bits16(b, at + 208), 0],
    steps: (b, at, j) => [b[at + 192 + 2 * j]!, b[at + 192 + 2 * j + 1]!],
  },
};

function blocksIntoPanels(fileType: string, type: CompressedType, bytes: Uint8Array, K: number, row: number, panels: Uint8Array): void {
  const file = fileBlocks[fileType]!, together = file.steps ? blocksInSuper : 1, blocks = K / blockSize, stride = panelBytes(type, K), quants = quantBytes(type), scales = scaleBytes(type), high = highBits(type);
  const rowBytes = (blocks / together) * file.bytes, rows = bytes.length / rowBytes, out = new Uint8Array(32), groups = type === 'q8' ? 8 : 4;
  const put = (at: number, half: number): void => { panels[at] = half & 255; panels[at + 1] = half >> 8; };
  for (let i = 0; i < rows; i++) {
    const panel = Math.floor((row + i) / panelRows) * stride, lane = (row + i) % panelRows;
    for (let b = 0; b < blocks; b++) {
      const from = i * rowBytes + Math.floor(b / together) * file.bytes, j = b % together, block = panel + b * quants + lane * 4;
      file.quants(bytes, from, j, out);
      for (let g = 0, q = 0, at = block; g < groups; g++, q += 4, at += 64) { panels[at] = out[q]!; panels[at + 1] = out[q + 1]!; panels[at + 2] = out[q + 2]!; panels[at + 3] = out[q + 3]!; }
      if (file.high) for (let k = 0; k < blockSize; k++) {
        const h = k >> 4, g = (k & 15) >> 2, bit = file.high(bytes, from, j, k);
        panels[block + 256 + (high === 2 ? 64 * h : 0) + (k & 3)]! |= bit << (high === 2 ? 2 * g : 4 * h + g);
      }
      let at = panel + blocks * quants + Math.floor(b / together) * scales;
      if (j === 0) {
        const [d, other] = file.halves(bytes, from);
        if (type === 'mx4') { panels[at + lane] = d; continue; }
        put(at + 2 * lane, d);
        if (type !== 'q8' && type !== 'q6k') put(at + 32 + 2 * lane, other);
      }
      if (!file.steps) continue;
      at += (type === 'q6k' ? 32 : 64) + 32 * j + lane;
      [panels[at]!, panels[at + 16]!] = file.steps(bytes, from, j);
    }
  }
}

/** f16 bits of −2^power x: exact, but for values beyond the range, which become the largest. */
function minusTimes(half: number, power: number): number {
  const sign = (half ^ 0x8000) & 0x8000, exponent = (half >> 10) & 31, mantissa = half & 1023;
  if (exponent >= 31 - power) return sign | 0x7bff;
  if (exponent > 0) return sign | ((exponent + power) << 10) | mantissa;
  let m = mantissa * 2 ** power, e = 0;
  if (m >= 1024) for (e = 1; m >= 2048; e++) m /= 2;
  return sign | (e << 10) | (m & 1023);
}
