// Weights in the few bits their file has them in, laid out for the products of ops/linear-compressed.ts: panels of 16
// rows, so that a vector's lanes are rows.
//   f16, bf16: [K][16] halves.
//   q4, q8: blocks of 32 along K; a panel is all its quants, then all its scales (f16), padded to 64 bytes:
//     q4 [K/32][4][16 rows][4] bytes, the low half for k = 4g + j, the high one for k = 16 + 4g + j; [K/32][d 16, m 16]
//     q8 [K/32][8][16 rows][4] bytes, w + 128 for k = 4g + j;                                          [K/32][d 16]
//   Value: q4 d q + m (Q4_0's d (q − 8) is d q − 8 d, exactly), q8 d (q − 128).

import { TiefsucheError } from '../errors.ts';

export type CompressedType = 'q4' | 'q8' | 'f16' | 'bf16';

/** GGML's and safetensors' names of the types that can be kept, and what they are here. */
export const compressedTypes: Readonly<Record<string, CompressedType>> = { Q4_0: 'q4', Q4_1: 'q4', Q8_0: 'q8', F16: 'f16', BF16: 'bf16' };

export const blockSize = 32, panelRows = 16;
const fileBlockBytes: Readonly<Record<string, number>> = { Q4_0: 18, Q4_1: 20, Q8_0: 34 };

interface Block { readonly quants: number; readonly scales: number }
/** Bytes of a panel's block, and f16 scales. */
export const panelBlocks: Readonly<Record<'q4' | 'q8', Block>> = { q4: { quants: 256, scales: 32 }, q8: { quants: 512, scales: 16 } };

/** Whether rows of K values can be kept in this type. */
export const canCompress = (type: CompressedType, K: number): boolean => type === 'f16' || type === 'bf16' || K % blockSize === 0;

export function panelBytes(type: CompressedType, K: number): number {
  if (type === 'f16' || type === 'bf16') return K * panelRows * 2;
  const { quants, scales } = panelBlocks[type];
  return Math.ceil((K / blockSize) * (quants + 2 * scales) / 64) * 64;
}

/** Bytes of a whole weight (N, K). */
export const compressedBytes = (type: CompressedType, N: number, K: number): number => Math.ceil(N / panelRows) * panelBytes(type, K);

/** Lays rows of a file's bytes into panels, beginning at `row` of the weight. */
export function intoPanels(fileType: string, bytes: Uint8Array, K: number, row: number, panels: Uint8Array): void {
  const type = compressedTypes[fileType];
  if (!type || !canCompress(type, K)) throw new TiefsucheError('UNSUPPORTED', `rows of ${K} values cannot be kept as ${fileType}`);
  if (type === 'f16' || type === 'bf16') halvesIntoPanels(bytes, K, row, panels);
  else blocksIntoPanels(fileType, type, bytes, K, row, panels);
}

function halvesIntoPanels(bytes: Uint8Array, K: number, row: number, panels: Uint8Array): void {
  const rows = bytes.length / (2 * K), stride = panelBytes('f16', K);
  for (let i = 0, from = 0; i < rows; i++) {
    let to = Math.floor((row + i) / panelRows) * stride + ((row + i) % panelRows) * 2;
    for (let k = 0; k < K; k++, from += 2, to += 2 * panelRows) { panels[to] = bytes[from]!; panels[to + 1] = bytes[from + 1]!; }
  }
}

function blocksIntoPanels(fileType: string, type: 'q4' | 'q8', bytes: Uint8Array, K: number, row: number, panels: Uint8Array): void {
  const blocks = K / blockSize, size = fileBlockBytes[fileType]!, rows = bytes.length / (blocks * size), stride = panelBytes(type, K);
  const { quants, scales } = panelBlocks[type], head = fileType === 'Q4_1' ? 4 : 2, groups = type === 'q4' ? 4 : 8, flip = type === 'q8' ? 0x80 : 0;
  for (let i = 0, from = 0; i < rows; i++) {
    const panel = Math.floor((row + i) / panelRows) * stride, lane = (row + i) % panelRows;
    for (let b = 0; b < blocks; b++, from += size) {
      let at = panel + blocks * quants + (b * scales + lane) * 2;
      panels[at] = bytes[from]!; panels[at + 1] = bytes[from + 1]!;
      if (type === 'q4') {
        const m = fileType === 'Q4_1' ? bytes[from + 2]! | (bytes[from + 3]! << 8) : minusEight(bytes[from]! | (bytes[from + 1]! << 8));
        panels[at + 32] = m & 255; panels[at + 33] = m >> 8;
      }
      at = panel + b * quants + lane * 4;
      for (let g = 0, q = from + head; g < groups; g++, q += 4, at += 64) {
        panels[at] = bytes[q]! ^ flip; panels[at + 1] = bytes[q + 1]! ^ flip; panels[at + 2] = bytes[q + 2]! ^ flip; panels[at + 3] = bytes[q + 3]! ^ flip;
      }
    }
  }
}

/** f16 bits of −8 x: exact, but for values beyond the range, which become the largest. */
function minusEight(half: number): number {
  const sign = (half ^ 0x8000) & 0x8000, exponent = (half >> 10) & 31, mantissa = half & 1023;
  if (exponent >= 28) return sign | 0x7bff;
  if (exponent > 0) return sign | ((exponent + 3) << 10) | mantissa;
  let m = mantissa * 8, e = 0;
  if (m >= 1024) for (e = 1; m >= 2048; e++) m /= 2;
  return sign | (e << 10) | (m & 1023);
}

/** The value of f16 bits. */
export function halfValue(bits: number): number {
  const exponent = (bits >> 10) & 31, mantissa = bits & 1023, sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 31) return mantissa ? NaN : sign * Infinity;
  return sign * (exponent === 0 ? mantissa * 2 ** -24 : (1 + mantissa / 1024) * 2 ** (exponent - 15));
}

/** Rows of a weight back out of its panels, as f32: `row` … `row + rows` of (N, K). */
export function fromPanels(type: CompressedType, panels: Uint8Array, K: number, row: number, rows: number, into: Float32Array): void {
  const stride = panelBytes(type, K), blocks = K / blockSize;
  for (let i = 0, to = 0; i < rows; i++) {
    const panel = Math.floor((row + i) / panelRows) * stride, lane = (row + i) % panelRows;
    if (type === 'f16' || type === 'bf16') {
      for (let k = 0, at = panel + 2 * lane; k < K; k++, at += 2 * panelRows) { const bits = panels[at]! | (panels[at + 1]! << 8); into[to++] = type === 'f16' ? halfValue(bits) : bfloat16Value(bits); }
      continue;
    }
    const { quants, scales } = panelBlocks[type], half = (at: number): number => halfValue(panels[at]! | (panels[at + 1]! << 8));
    for (let b = 0; b < blocks; b++, to += blockSize) {
      const at = panel + blocks * quants + (b * scales + lane) * 2, d = half(at), m = type === 'q4' ? half(at + 32) : 0;
      for (let g = 0, q = panel + b * quants + lane * 4; g < (type === 'q4' ? 4 : 8); g++, q += 64) for (let j = 0; j < 4; j++) {
        const bits = panels[q + j]!, k = to + 4 * g + j;
        if (type === 'q8') into[k] = d * (bits - 128);
        else { into[k] = d * (bits & 15) + m; into[k + 16] = d * (bits >> 4) + m; }
      }
    }
  }
}

/** One value out of panels, for the reference kernels. */
export function panelValue(type: CompressedType, panels: Uint8Array, K: number, n: number, k: number): number {
  const panel = Math.floor(n / panelRows) * panelBytes(type, K), lane = n % panelRows;
  const half = (at: number): number => panels[at]! | (panels[at + 1]! << 8);
  if (type === 'f16') return halfValue(half(panel + (k * panelRows + lane) * 2));
  if (type === 'bf16') return bfloat16Value(half(panel + (k * panelRows + lane) * 2));
  const { quants, scales } = panelBlocks[type], b = Math.floor(k / blockSize), i = k % blockSize;
  const at = panel + (K / blockSize) * quants + (b * scales + lane) * 2, d = halfValue(half(at));
  if (type === 'q8') return d * (panels[panel + b * quants + Math.floor(i / 4) * 64 + lane * 4 + (i % 4)]! - 128);
  const pair = panels[panel + b * quants + Math.floor((i % 16) / 4) * 64 + lane * 4 + (i % 4)]!;
  return d * (i < 16 ? pair & 15 : pair >> 4) + halfValue(half(at + 32));
}

const word = new DataView(new ArrayBuffer(4));
function bfloat16Value(bits: number): number {
  word.setUint32(0, bits * 65536);
  return word.getFloat32(0);
}
