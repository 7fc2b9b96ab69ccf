// Reader of GGUF files, versions 2 and 3, little-endian:
//   "GGUF", u32 version, u64 tensor count, u64 key count;
//   per key: string, u32 type, value; per tensor: string, u32 n, n x u64 dims (fastest first), u32 type, u64 offset;
//   padding to general.alignment (32), then tensor data at the offsets, each a multiple of the alignment.
// Counts and lengths are checked against the bytes that are left before anything is allocated for them.
// Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, written from the description.

import { formatError, quoted, unsupportedError } from './format-error.ts';
import { GgufCursor } from './gguf-cursor.ts';
import { readMetadata, type GgufValue } from './gguf-metadata.ts';
import { dequantize, ggmlTypes, isDequantizable, type GgmlType } from './gguf-quants.ts';
import { openRandomAccess } from './random-access-file.ts';
import { missingTensor } from './safetensors.ts';
import { elementCount, type TensorEntry, type TensorSource } from './tensor-source.ts';

export type { GgufValue } from './gguf-metadata.ts';

export interface GgufEntry extends TensorEntry {
  /** Block layout of the type. */
  readonly type: GgmlType;
  /** Position of the first byte, from the start of the file. */
  readonly offset: number;
}

export interface GgufFile extends TensorSource {
  readonly path: string;
  readonly version: number;
  readonly alignment: number;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** Shapes are slowest dimension first, the reverse of the file's order. */
  readonly tensors: ReadonlyMap<string, GgufEntry>;
}

const magic = 0x46554747;
const mostTensors = 200_000;
const mostDimensions = 4;
const longestTensorName = 1024;
const smallestTensorInfo = 8 + 4 + 4 + 8;

/** Opens a file, checks everything but the weights' values, and gives access to its tensors. Close it when done. */
export function readGguf(path: string): GgufFile {
  const file = openRandomAccess(path);
  try {
    const cursor = new GgufCursor(file);
    if (file.size < 24 || cursor.u32() !== magic) throw formatError(path, 'it does not begin with "GGUF"');
    const version = cursor.u32();
    if (version !== 2 && version !== 3) {
      const swapped = version !== 0 && (version & 0xffff) === 0;
      throw unsupportedError(path, swapped ? 'it is a big-endian GGUF file' : `it has GGUF version ${version}`,
        'Convert the model again with a current llama.cpp; versions 2 and 3, little-endian, are read.');
    }
    const tensorCount = cursor.count(smallestTensorInfo, mostTensors, 'tensors');
    const metadata = readMetadata(cursor);
    const alignment = alignmentOf(path, metadata);
    const infos = [];
    for (let i = 0; i < tensorCount; i++) infos.push(readInfo(cursor));
    const dataStart = Math.ceil(cursor.position / alignment) * alignment;
    const tensors = place(path, infos, dataStart, alignment, file.size);
    const entry = (name: string): GgufEntry => tensors.get(name) ?? missingTensor(path, name);
    return {
      path, version, alignment, metadata, tensors,
      readBytes(name, start = 0, count = Infinity, into) { const { offset, byteLength } = entry(name); return file.read(offset + start, Math.min(count, byteLength - start), into); },
      readFloat32(name, start = 0, count) {
        const { dtype, type, shape, offset } = entry(name), total = elementCount(shape), wanted = count ?? total - start;
        if (!(start >= 0 && wanted >= 0 && start + wanted <= total)) {
          throw new RangeError(`elements ${start} to ${start + wanted} of ${name}, which has ${total}`);
        }
        if (!isDequantizable(dtype)) {
          throw unsupportedError(path, `tensor ${quoted(name)} is quantised as ${dtype}, which is not read yet`,
            'Use a file in F32, F16, BF16, Q8_0, Q6_K, Q5_K, Q4_K, Q5_0, Q5_1, Q4_0, Q4_1 or MXFP4.');
        }
        const first = Math.floor(start / type.block), last = Math.ceil((start + wanted) / type.block);
        const values = dequantize(file.read(offset + first * type.bytes, Math.max(0, last - first) * type.bytes), dtype);
        const skip = start - first * type.block;
        return skip === 0 && values.length === wanted ? values : values.slice(skip, skip + wanted);
      },
      place(name) { const { dtype, offset } = entry(name); return { fd: file.fd, position: offset, fileType: dtype, headDim: 0 }; },
      close: () => file.close(),
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

function alignmentOf(path: string, metadata: ReadonlyMap<string, GgufValue>): number {
  const value = metadata.get('general.alignment') ?? 32;
  // The format asks for a multiple of 8; ggml for a power of two. The upper bound is a page of huge memory, far above use.
  if (typeof value !== 'number' || !(value >= 8 && value <= 1 << 21) || (value & (value - 1)) !== 0) {
    throw formatError(path, `general.alignment is ${quoted(value)}, not a power of two from 8 to 2097152`);
  }
  return value;
}

interface Info { readonly name: string; readonly shape: number[]; readonly type: GgmlType; readonly offset: number; readonly byteLength: number }

function readInfo(cursor: GgufCursor): Info {
  const name = cursor.string(longestTensorName);
  const fail = (what: string): never => { throw formatError(cursor.path, `tensor ${quoted(name)}: ${what}`); };
  const rank = cursor.u32();
  if (rank > mostDimensions) fail(`it has ${rank} dimensions; at most ${mostDimensions} are allowed`);
  const dims: number[] = [];
  for (let d = 0; d < rank; d++) dims.push(cursor.size());
  const code = cursor.u32(), type = ggmlTypes.get(code) ?? fail(`unknown tensor type ${code}`);
  const offset = cursor.size(), elements = elementCount(dims);
  if (!Number.isSafeInteger(elements * 8)) fail('its dimensions are too large to count');
  if ((dims[0] ?? 1) % type.block !== 0) fail(`rows of ${dims[0] ?? 1} elements do not fill ${type.name} blocks of ${type.block}`);
  return { name, shape: dims.reverse(), type, offset, byteLength: elements / type.block * type.bytes };
}

function place(path: string, infos: readonly Info[], dataStart: number, alignment: number, fileSize: number): Map<string, GgufEntry> {
  const tensors = new Map<string, GgufEntry>();
  for (const { name, shape, type, offset, byteLength } of infos) {
    const start = dataStart + offset;
    if (tensors.has(name)) throw formatError(path, `tensor ${quoted(name)} stands twice`);
    if (offset % alignment !== 0) throw formatError(path, `tensor ${quoted(name)} begins at ${offset}, not a multiple of ${alignment}`);
    if (start + byteLength > fileSize) {
      throw formatError(path, `tensor ${quoted(name)} ends at byte ${start + byteLength}, the file has ${fileSize}`);
    }
    tensors.set(name, { name, dtype: type.name, type, shape, byteLength, offset: start });
  }
  const ordered = [...tensors.values()].filter((t) => t.byteLength > 0).sort((a, b) => a.offset - b.offset);
  for (let i = 1; i < ordered.length; i++) {
    if (ordered[i]!.offset < ordered[i - 1]!.offset + ordered[i - 1]!.byteLength) {
      throw formatError(path, `tensor ${quoted(ordered[i]!.name)} overlaps ${quoted(ordered[i - 1]!.name)}`);
    }
  }
  return tensors;
}
