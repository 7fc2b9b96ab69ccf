// Linear on weights that stay in few bits (panels.ts): y = x wᵀ (+ bias).
// For chat and serving, without a gradient:
// 16 bits: widened on the way, every element one chain of fma over k: the same bits as `linear` on the same values.
// fewer: x is rounded to 8 bits in blocks of 32, x ≈ s q with s = max|x| / 127 (llama.cpp does the same); per block
//   y += d s Σ w q (an integer) and, where the type has a minimum, y += m s Σ q. Fast mode: close to `linear`, not equal.
// Beneath adapters that train (QLoRA, arXiv 2305.14314), `linearFrozen`: the bits of `linear` with the same values in f32,
// and dx = dy w likewise; they are made where the product packs them, never a whole matrix.
// T rows, K inputs, N outputs.

import { type CompressedType, blockSize, compressedBytes, compressedTypes, fromPanels, isHalf } from '../panels.ts';
import { intoPanels } from '../panels-from-files.ts';
import type { Tape } from '../tape.ts';
import { type Tensor, expectShape } from '../tensor.ts';
import type { Kernel, View } from '../kernel.ts';
import { linearKernels } from './linear.ts';
import type { Op } from './op.ts';

/** A weight (N, K) in panels, or a stack of them, one behind the other; its bytes travel as i32. */
export interface CompressedWeight { readonly type: CompressedType; readonly shape: readonly [number, number]; readonly panels: Tensor; readonly stack?: number }

/** In the order of native/few-bits.h. */
const all: readonly CompressedType[] = ['q4', 'q8', 'f16', 'bf16', 'q5', 'q4k', 'q5k', 'q6k', 'mx4'], halves = ['f16', 'bf16'] as const;

/** A type's number in kernels that know all of them. */
export const typeNumber = (type: CompressedType): number => all.indexOf(type);

/** The number of 16 bits among them; null for types of fewer. */
export const halfNumber = (type: CompressedType): number | null => (isHalf(type) ? halves.indexOf(type) : null);

/** x (T, K) → (T, N). */
export function linearCompressed(tape: Tape, x: Tensor, w: CompressedWeight, bias: Tensor | null = null): Tensor {
  const T = x.shape[0]!, [N, K] = w.shape;
  expectShape('linearCompressed', 'input', x.shape, [T, K]);
  const y = tape.temp([T, N], 'f32', 'linear'), half = halfNumber(w.type);
  tape.emit(half === null ? 'linearQuantised' : 'linearHalf', [x, w.panels, y, bias], [T, N, K, x.ld, y.ld, 0, half ?? typeNumber(w.type)]);
  return y;
}

/** x (T, K) → (T, N) with the bits of `linear`, and a way back to x. */
export function linearFrozen(tape: Tape, x: Tensor, w: CompressedWeight, bias: Tensor | null = null): Tensor {
  const T = x.shape[0]!, [N, K] = w.shape, type = typeNumber(w.type);
  expectShape('linearFrozen', 'input', x.shape, [T, K]);
  const y = tape.temp([T, N], 'f32', 'linear');
  tape.emit('linearFrozen', [x, w.panels, y, bias], [T, N, K, x.ld, y.ld, 0, type]);
  tape.node(y, [x], () => {
    const dy = tape.gradArrived(y), dx = tape.gradOf(x);
    tape.emit('linearFrozenBackwardInput', [dy, w.panels, dx.tensor], [T, N, K, dy.ld, dx.tensor.ld, dx.accumulate, type]);
  });
  return y;
}

/** ids (T) → rows of the table (T, C) as f32. */
export function embeddingCompressed(tape: Tape, ids: Tensor, table: CompressedWeight): Tensor {
  const T = ids.shape[0]!, [V, C] = table.shape, out = tape.temp([T, C], 'f32', 'embedding');
  tape.emit('embeddingCompressed', [ids, table.panels, out], [T, V, C, typeNumber(table.type)]);
  return out;
}

const bytesOf = (view: View): Uint8Array => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

/** A whole weight (N, K) as f32, for reference kernels. */
export function valuesOf(type: number, panels: View, N: number, K: number): Float32Array {
  const values = new Float32Array(N * K);
  fromPanels(all[type]!, bytesOf(panels), K, 0, N, values);
  return values;
}

/** A row rounded to 8 bits and back, in the steps that the native kernels take. */
function rounded(x: ArrayLike<number>, start: number, K: number): Float64Array {
  const out = new Float64Array(K), f = Math.fround;
  for (let b = 0; b < K; b += blockSize) {
    let largest = 0;
    for (let i = b; i < b + blockSize; i++) largest = Math.max(largest, Math.abs(x[start + i]!));
    const inverse = largest > 0 ? f(127 / largest) : 0, scale = f(largest / 127);
    for (let i = b; i < b + blockSize; i++) out[i] = scale * nearest(f(x[start + i]! * inverse));
  }
  return out;
}

/** Ties to even. */
function nearest(x: number): number {
  const whole = Math.round(x);
  return Math.abs(x % 1) === 0.5 && whole % 2 !== 0 ? whole - 1 : whole;
}

function product(types: readonly CompressedType[]): (t: readonly View[], a: readonly number[]) => void {
  return ([x, panels, y, bias], [T, N, K, ldx, ldy, accumulate, kind]) => {
    const type = types[kind!]!, isHalf = type === 'f16' || type === 'bf16', weights = valuesOf(all.indexOf(type), panels!, N!, K!);
    for (let t = 0; t < T!; t++) {
      const row = isHalf ? x!.subarray(t * ldx!, t * ldx! + K!) : rounded(x!, t * ldx!, K!);
      for (let n = 0; n < N!; n++) {
        let sum = accumulate ? y![t * ldy! + n]! : 0;
        for (let k = 0; k < K!; k++) sum += row[k]! * weights[n * K! + k]!;
        y![t * ldy! + n] = bias ? sum + bias[n]! : sum;
      }
    }
  };
}

const multiplyAdds = (a: readonly number[]) => ({ model: 2 * a[0]! * a[1]! * a[2]! });

const blockBytes: Readonly<Record<string, number>> = { Q4_0: 18, Q4_1: 20, Q5_0: 22, Q5_1: 24, Q8_0: 34, Q4_K: 144, Q5_K: 176, Q6_K: 210, MXFP4: 17 };

/** A weight of arbitrary bytes with scales near 1/64, or a stack of them, for tests. */
export function sampleWeight(tape: Tape, fileType: string, type: CompressedType, N: number, K: number, stack?: number): CompressedWeight {
  const each = compressedBytes(type, N, K), panels = new Uint8Array(each * (stack ?? 1));
  const size = blockBytes[fileType], one = size ? (N * K / (fileType.endsWith('_K') ? 256 : blockSize)) * size : N * K * 2, values = one * (stack ?? 1);
  const bytes = Uint8Array.from({ length: values }, (_, i) => (i * 131 + (i >> 5) * 89 + 7) & 255);
  // The high byte of each f16 (or bf16): sign and exponent of numbers between 2⁻⁷ and 2⁻⁴.
  if (fileType === 'Q6_K') for (let b = 208; b < values; b += 210) bytes[b + 1] = 0x08 | (b & 3);
  else if (fileType === 'MXFP4') for (let b = 0; b < values; b += 17) bytes[b] = 0x79 | (b & 2);
  else if (size) for (let b = 0; b < values; b += size) { bytes[b + 1] = (fileType.endsWith('_K') ? 0x10 : 0x20) | (b & 3); if (fileType.endsWith('_1')) bytes[b + 3] = 0xa4 | (b & 3); else if (fileType.endsWith('_K')) bytes[b + 3] = 0x14 | (b & 3); }
  else for (let i = 1; i < values; i += 2) bytes[i] = (type === 'f16' ? 0x28 : 0x3c) | (i * 7 & 0x83);
  for (let e = 0; e < (stack ?? 1); e++) intoPanels(fileType, bytes.subarray(e * one, (e + 1) * one), K, 0, panels.subarray(e * each, (e + 1) * each));
  return { type, shape: [N, K], panels: tape.input(new Int32Array(panels.buffer)), ...(stack !== undefined && { stack }) };
}

const overF32 = (name: string): Kernel['reference'] => linearKernels.find((k) => k.name === name)!.reference;
const shapesFor = (fileType: string): readonly (readonly [number, number, number])[] =>
  (fileType.endsWith('_K') ? [[1, 16, 256], [9, 37, 512], [3, 5, 1280]] : [[1, 16, 32], [3, 37, 96], [9, 130, 64], [17, 5, 608]]);

export const linearCompressedOp: Op = {
  name: 'linearCompressed',
  kernels: [
    { name: 'linearQuantised', flops: multiplyAdds, reference: product(all) }, // t = x, panels, y, bias?; a = T, N, K, ldx, ldy, accumulate, type
    { name: 'linearHalf', flops: multiplyAdds, reference: product(halves) }, // the same with f16 or bf16
    {
      name: 'linearFrozen', flops: multiplyAdds, // t = x, panels, y, bias?; a = T, N, K, ldx, ldy, accumulate, type
      reference: ([x, panels, y, bias], a) => overF32('linear')([x!, valuesOf(a[6]!, panels!, a[1]!, a[2]!), y!, bias!], a),
    },
    {
      name: 'linearFrozenBackwardInput', flops: multiplyAdds, // t = dy, panels, dx; a = T, N, K, lddy, lddx, accumulate, type
      reference: ([dy, panels, dx], a) => overF32('linearBackwardInput')([dy!, valuesOf(a[6]!, panels!, a[1]!, a[2]!), dx!], a),
    },
    {
      name: 'embeddingCompressed', // t = ids, panels, out; a = T, V, C, type
      reference: ([ids, panels, out], [T, , C, kind]) => {
        for (let t = 0; t < T!; t++) fromPanels(all[kind!]!, bytesOf(panels!), C!, ids![t]!, 1, out!.subarray(t * C!, (t + 1) * C!));
      },
    },
  ],
  samples: Object.entries(compressedTypes).flatMap(([fileType, type]) => [
    ...shapesFor(fileType).map(([T, N, K]) => ({
      label: `${fileType} T=${T} N=${N} K=${K}`, gradient: false, inputs: { x: [T, K], bias: [N] },
      record: (tape: Tape, { x, bias }: Readonly<Record<string, Tensor>>) => linearCompressed(tape, x!, sampleWeight(tape, fileType, type, N, K), bias!),
    })),
    ...[...shapesFor(fileType), ...(fileType.endsWith('_K') ? [[2, 1312, 256]] : [[3, 1312, 32], [2, 35, 1312]])].map(([T, N, K]) => ({
      label: `frozen ${fileType} T=${T} N=${N} K=${K}`, inputs: { x: [T!, K!], bias: [N!] }, constant: ['bias'], scale: 0.3,
      record: (tape: Tape, { x, bias }: Readonly<Record<string, Tensor>>) => linearFrozen(tape, x!, sampleWeight(tape, fileType, type, N!, K!), bias!),
    })),
    {
      label: `rows of ${fileType}`, gradient: false, inputs: {},
      record: (tape: Tape) => embeddingCompressed(tape, tape.input(Int32Array.from([0, 36, 5, 16, 31])), sampleWeight(tape, fileType, type, 37, fileType.endsWith('_K') ? 512 : 64)),
    },
  ]),
};
