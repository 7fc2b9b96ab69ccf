// Writer of safetensors files: one tensor in memory at a time, the same bytes for the same content.
// Order: wider types first, then names (as the reference writer does, which keeps every tensor aligned); the header is
// padded with spaces to a multiple of 8. Values given as f32 can be stored as F32, BF16 or F16.

import { createHash } from 'node:crypto';
import { writeSync } from 'node:fs';
import { invariant } from '../../errors.ts';
import { sha256, type Sha256 } from '../../units.ts';
import { writeStreamAtomic } from '../../durable-file.ts';
import { dtypeBytes, fromFloat32, type WritableDtype } from './dtypes.ts';
import { elementCount } from './tensor-source.ts';

/** A tensor to write: f32 values, or bytes that already are in `dtype`; a function gives them when their turn comes. */
export interface TensorToWrite {
  readonly name: string;
  readonly shape: readonly number[];
  /** F32 unless given. With raw bytes, any type of the format. */
  readonly dtype?: string;
  readonly data: TensorData | (() => TensorData | Promise<TensorData>);
}

type TensorData = Float32Array | Uint8Array;

export interface WrittenFile { readonly bytes: number; readonly sha256: Sha256 }

/** Bytes a tensor will take. */
export const writtenSize = (tensor: TensorToWrite): number =>
  elementCount(tensor.shape) * (dtypeBytes[tensor.dtype ?? 'F32'] ?? NaN);

/** Writes a file under a temporary name, flushes it and renames it. Returns its size and hash. */
export async function writeSafetensors(path: string, tensors: Iterable<TensorToWrite>,
  metadata: Readonly<Record<string, string>> = {}): Promise<WrittenFile> {
  const ordered = [...tensors].sort((a, b) =>
    dtypeBytes[b.dtype ?? 'F32']! - dtypeBytes[a.dtype ?? 'F32']! || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const header = Buffer.from(headerText(ordered, metadata));
  return writeStreamAtomic(path, async (fd) => {
    const hash = createHash('sha256');
    let bytes = 0;
    const append = (part: Uint8Array): void => {
      hash.update(part);
      for (let done = 0; done < part.byteLength;) done += writeSync(fd, part, done, Math.min(part.byteLength - done, 1 << 30));
      bytes += part.byteLength;
    };
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    append(length);
    append(header);
    for (const tensor of ordered) append(await tensorBytes(tensor));
    return { bytes, sha256: sha256(hash.digest('hex')) };
  });
}

async function tensorBytes(tensor: TensorToWrite): Promise<Uint8Array> {
  const dtype = tensor.dtype ?? 'F32';
  const data = typeof tensor.data === 'function' ? await tensor.data() : tensor.data;
  const isValues = data instanceof Float32Array;
  invariant(!isValues || dtype === 'F32' || dtype === 'BF16' || dtype === 'F16', `f32 values cannot be written as ${dtype}`);
  const size = writtenSize(tensor), given = isValues ? data.length * dtypeBytes[dtype]! : data.byteLength;
  invariant(given === size, `tensor ${tensor.name}: ${given} bytes given, its shape needs ${size}`);
  return isValues ? fromFloat32(data, dtype as WritableDtype) : data;
}

function headerText(ordered: readonly TensorToWrite[], metadata: Readonly<Record<string, string>>): string {
  // Built by hand: an object would move keys that look like numbers to the front.
  const parts: string[] = [], seen = new Set<string>();
  const keys = Object.keys(metadata).sort();
  if (keys.length > 0) {
    parts.push(`"__metadata__":{${keys.map((k) => `${JSON.stringify(k)}:${JSON.stringify(metadata[k])}`).join(',')}}`);
  }
  let at = 0;
  for (const tensor of ordered) {
    const size = writtenSize(tensor), { name } = tensor;
    invariant(Number.isSafeInteger(size), `tensor ${name} has a wrong shape or type`);
    invariant(name !== '__metadata__' && !seen.has(name), `tensor ${name} is given twice or has a reserved name`);
    seen.add(name);
    parts.push(`${JSON.stringify(name)}:{"dtype":"${tensor.dtype ?? 'F32'}","shape":[${tensor.shape.join(',')}],"data_offsets":[${at},${at += size}]}`);
  }
  const text = `{${parts.join(',')}}`;
  return text + ' '.repeat((8 - Buffer.byteLength(text) % 8) % 8);
}
