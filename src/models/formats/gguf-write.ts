// Writes GGUF files of any size: the front part first, then tensor by tensor, each made when its turn comes and forgotten
// after. The file is written under a temporary name, flushed and renamed; free disk is checked before anything is made.
// A row that does not fill a type's blocks falls back as llama.cpp's quantiser does:
//   Q4_K → Q5_0, Q5_K → Q5_1, Q6_K → Q8_0 (rows of 32 n, not 256 n), and F16 for all other rows.
// Source: ggml docs/gguf.md; llama.cpp src/llama-quant.cpp (tensor_type_fallback).

import { requireFreeDisk, writeFully, writeStreamAtomic } from '../../durable-file.ts';
import { ggufFront, padded, type TypedValue } from './gguf-build.ts';
import { ggmlTypes, type GgmlType } from './gguf-quants.ts';
import { type GgufFormat, quantize } from './gguf-quantize.ts';
import { elementCount } from './tensor-source.ts';

const typeNamed = new Map([...ggmlTypes.values()].map((t) => [t.name, t]));
const alignment = 32;

export interface GgufTensorToWrite {
  readonly name: string;
  /** Slowest dimension first. */
  readonly shape: readonly number[];
  readonly dtype: string;
  /** Values in C order, or bytes that already are in the type; called once. */
  readonly data: () => Float32Array | Uint8Array;
}

const fallbacks: Readonly<Record<string, string>> = { Q4_K: 'Q5_0', Q5_K: 'Q5_1', Q6_K: 'Q8_0' };

/** The type a tensor with rows of `width` gets where `wanted` is asked for. */
export function fittingType(wanted: GgufFormat, width: number): string {
  const fits = (type: string): boolean => width % typeNamed.get(type)!.block === 0;
  if (fits(wanted)) return wanted;
  const second = fallbacks[wanted];
  return second !== undefined && fits(second) ? second : 'F16';
}

export function ggufTensorBytes({ shape, dtype }: Pick<GgufTensorToWrite, 'shape' | 'dtype'>): number {
  const { block, bytes } = typeNamed.get(dtype) as GgmlType;
  return elementCount(shape) / block * bytes;
}

/** Writes a file and returns its size. */
export async function writeGguf(path: string, metadata: ReadonlyMap<string, TypedValue>, tensors: readonly GgufTensorToWrite[]): Promise<number> {
  const sizes = tensors.map(ggufTensorBytes);
  const front = ggufFront(metadata, tensors.map((t, i) => ({ ...t, byteLength: sizes[i]! })), alignment);
  const total = front.length + sizes.reduce((sum, n) => sum + padded(n, alignment), 0);
  requireFreeDisk(path, total, `writing ${path}`);
  await writeStreamAtomic(path, async (file) => {
    writeFully(file, front);
    for (const [i, { dtype, data }] of tensors.entries()) {
      const content = data();
      writeFully(file, content instanceof Float32Array ? quantize(content, dtype) : content);
      writeFully(file, new Uint8Array(padded(sizes[i]!, alignment) - sizes[i]!));
      await new Promise(setImmediate); // a large model takes minutes: signals and progress get their turn
    }
  });
  return total;
}
