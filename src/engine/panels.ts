// Weights in the few bits their file has them in, laid out for the products of ops/linear-compressed.ts: panels of 16
// rows, so that a vector's lanes are rows.
//   f16, bf16: [K][16] halves.
//   Others: blocks of 32 along K; a panel is the quants of all blocks, then all scales, padded to 64 bytes:
//     low four bits [4 g][16 rows][4 j] bytes: k = 4g + j in the low half, k = 16 + 4g + j in the high one
//     q5, q5k: then a fifth bit, [16 rows][4 j] bytes: bit g of k = 4g + j, bit 4 + g of k = 16 + 4g + j
//     q6k: then two more bits, [2 h][16 rows][4 j] bytes: bits 2g and 2g + 1 of k = 16 h + 4g + j
//     q8: [8 g][16 rows][4 j] bytes, w + 128 for k = 4g + j
//     scales q4, q5 [d 16, m 16] f16, q8 [d 16] f16, mx4 [e 16] bytes, of each block; of eight blocks (how panels-from-files.ts puts them):
//     q4k, q5k [d 16, dmin 16] f16, [8][s 16, m 16] bytes; q6k [d 16] f16, [8][2][s 16] bytes with a sign
//   Value: q4, q5 d q + m (with a fixed zero z, d (q − z) is d q − z d, exactly); q4k, q5k (d s) q − dmin m;
//   q6k (d s)(q − 32); q8 d (q − 128); mx4 2^(e − 128) times twice the FP4 (E2M1) number q.
//   Products are exact in f32, so values are those that reading the file as f32 gives.

export type CompressedType = 'q4' | 'q8' | 'f16' | 'bf16' | 'q5' | 'q4k' | 'q5k' | 'q6k' | 'mx4';

/** GGML's and safetensors' names of the types that can be kept, and what they are here. */
export const compressedTypes: Readonly<Record<string, CompressedType>> = {
  Q4_0: 'q4', Q4_1: 'q4', Q5_0: 'q5', Q5_1: 'q5', Q8_0: 'q8', Q4_K: 'q4k', Q5_K: 'q5k', Q6_K: 'q6k', F16: 'f16', BF16: 'bf16', MXFP4: 'mx4',
};

export const blockSize = 32, panelRows = 16, blocksInSuper = 8;

export const isHalf = (type: CompressedType): type is 'f16' | 'bf16' => type === 'f16' || type === 'bf16';
const isSuper = (type: CompressedType): boolean => type.endsWith('k');
/** Bits of a quant above the low four. */
export const highBits = (type: CompressedType): 0 | 1 | 2 => (type === 'q6k' ? 2 : type.startsWith('q5') ? 1 : 0);
/** Bytes of a panel's block without its scales, and of the scales of a block, or of eight. */
export const quantBytes = (type: CompressedType): number => (type === 'q8' ? 512 : 256 + 64 * highBits(type));
export const scaleBytes = (type: CompressedType): number => (isSuper(type) ? (type === 'q6k' ? 288 : 320) : type === 'mx4' ? 16 : type === 'q8' ? 32 : 64);

/** Whether rows of K values can be kept in this type. */
export const canCompress = (type: CompressedType, K: number): boolean => isHalf(type) || K % (isSuper(type) ? blockSize * blocksInSuper : blockSize) === 0;

export function panelBytes(type: CompressedType, K: number): number {
  if (isHalf(type)) return K * panelRows * 2;
  const blocks = K / blockSize;
  return Math.ceil((blocks * quantBytes(type) + (isSuper(type) ? blocks / blocksInSuper : blocks) * scaleBytes(type)) / 64) * 64;
}

/** Bytes of a whole weight (N, K). */
export const compressedBytes = (type: CompressedType, N: number, K: number): number => Math.ceil(N / panelRows) * panelBytes(type, K);

/** The value of f16 bits. */
export function halfValue(bits: number): number {
  const exponent = (bits >> 10) & 31, mantissa = bits & 1023, sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 31) return mantissa ? NaN : sign * Infinity;
  return sign * (exponent === 0 ? mantissa * 2 ** -24 : (1 + mantissa / 1024) * 2 ** (exponent - 15));
}

const word = new DataView(new ArrayBuffer(4));
function bfloat16Value(bits: number): number {
  word.setUint32(0, bits * 65536);
  return word.getFloat32(0);
}

/** Twice the sixteen numbers of FP4 (OCP Microscaling Formats 1.0, §5.3.3), with one zero, as in ggml. */
const fp4 = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/** What a block's quants are multiplied with and what is added; for q6k the factors of its two halves. */
function scalesAt(type: CompressedType, panels: Uint8Array, scales: number, b: number, lane: number): [first: number, second: number] {
  const half = (at: number): number => halfValue(panels[at]! | (panels[at + 1]! << 8)), each = scales + b * scaleBytes(type) + 2 * lane;
  if (type === 'q8') return [half(each), 0];
  if (type === 'mx4') return [2 ** (panels[each - lane]! - 128), 0];
  if (!isSuper(type)) return [half(each), half(each + 32)];
  const eight = scales + Math.floor(b / blocksInSuper) * scaleBytes(type) + 2 * lane, own = eight - lane + (type === 'q6k' ? 32 : 64) + (b % blocksInSuper) * 32;
  if (type === 'q6k') return [half(eight) * ((panels[own]! << 24) >> 24), half(eight) * ((panels[own + 16]! << 24) >> 24)];
  return [half(eight) * panels[own]!, -half(eight + 32) * panels[own + 16]!];
}

/** The quant of value i of a block. */
function quantAt(type: CompressedType, panels: Uint8Array, block: number, lane: number, i: number): number {
  const h = i >> 4, g = (i & 15) >> 2, at = block + 4 * lane + (i & 3);
  if (type === 'q8') return panels[at + 256 * h + 64 * g]!;
  const low = (panels[at + 64 * g]! >> (4 * h)) & 15, high = highBits(type);
  if (high === 0) return low;
  return low | (high === 1 ? ((panels[at + 256]! >> (4 * h + g)) & 1) << 4 : ((panels[at + 256 + 64 * h]! >> (2 * g)) & 3) << 4);
}

/** Rows of a weight back out of its panels, as f32: `row` … `row + rows` of (N, K). */
export function fromPanels(type: CompressedType, panels: Uint8Array, K: number, row: number, rows: number, into: Float32Array): void {
  const stride = panelBytes(type, K), blocks = K / blockSize;
  for (let i = 0, to = 0; i < rows; i++) {
    const panel = Math.floor((row + i) / panelRows) * stride, lane = (row + i) % panelRows;
    if (isHalf(type)) {
      for (let k = 0, at = panel + 2 * lane; k < K; k++, at += 2 * panelRows) { const bits = panels[at]! | (panels[at + 1]! << 8); into[to++] = type === 'f16' ? halfValue(bits) : bfloat16Value(bits); }
      continue;
    }
    for (let b = 0; b < blocks; b++) {
      const [first, second] = scalesAt(type, panels, panel + blocks * quantBytes(type), b, lane), block = panel + b * quantBytes(type);
      for (let k = 0; k < blockSize; k++) {
        const q = quantAt(type, panels, block, lane, k);
        into[to++] = type === 'q8' ? first * (q - 128) : type === 'mx4' ? first * fp4[q]! : type === 'q6k' ? (k < 16 ? first : second) * (q - 32) : first * q + second;
      }
    }
  }
}
