// Reader of safetensors files: 8 bytes length N (u64, little-endian), N bytes JSON header
// {name: {dtype, shape, data_offsets: [begin, end]}, "__metadata__": {string: string}}, then the data without holes.
// The header is checked completely before anything is used; tensors are read by position when asked for.
// Source: https://github.com/huggingface/safetensors (format section of the README), written from the description.

import { TiefsucheError } from '../../errors.ts';
import { dtypeBytes, isConvertible, toFloat32 } from './dtypes.ts';
import { formatError, quoted, unsupportedError } from './format-error.ts';
import { openRandomAccess } from './random-access-file.ts';
import { parseStrictJson, type StrictJson } from './strict-json.ts';
import { elementCount, type TensorEntry, type TensorSource } from './tensor-source.ts';

/** A tensor with its place in the file. */
export interface SafetensorsEntry extends TensorEntry {
  /** Position of the first byte, from the start of the file. */
  readonly offset: number;
}

export interface SafetensorsFile extends TensorSource {
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
}

/** The limit of the reference implementation. */
const largestHeader = 100_000_000;
const minimumSize = 8 + 2;

/** Opens a file, checks its header, and gives access to its tensors. Close it when done. */
export function readSafetensors(path: string): SafetensorsFile {
  const file = openRandomAccess(path);
  try {
    if (file.size < minimumSize) throw formatError(path, `${file.size} bytes are too few for a safetensors file`);
    const headerLength = new DataView(file.read(0, 8).buffer).getBigUint64(0, true);
    if (headerLength > BigInt(file.size - 8)) {
      throw formatError(path, `the header claims ${headerLength} bytes, the file has ${file.size}`);
    }
    if (headerLength > BigInt(largestHeader)) {
      throw formatError(path, `the header has ${headerLength} bytes; the format allows ${largestHeader}`);
    }
    const dataStart = 8 + Number(headerLength);
    const { tensors, metadata } = parseHeader(path, file.read(8, Number(headerLength)), dataStart, file.size);
    const entry = (name: string): SafetensorsEntry => tensors.get(name) ?? missingTensor(path, name);
    return {
      path, tensors, metadata,
      readBytes(name, start = 0, count = Infinity, into) { const { offset, byteLength } = entry(name); return file.read(offset + start, Math.min(count, byteLength - start), into); },
      readFloat32(name, start = 0, count) {
        const { dtype, shape, offset } = entry(name), total = elementCount(shape), width = dtypeBytes[dtype]!;
        const wanted = count ?? total - start;
        if (!(start >= 0 && wanted >= 0 && start + wanted <= total)) {
          throw new RangeError(`elements ${start} to ${start + wanted} of ${name}, which has ${total}`);
        }
        if (!isConvertible(dtype)) {
          throw unsupportedError(path, `tensor ${quoted(name)} has the type ${dtype}, which has no f32 value`,
            'Read its bytes as they are, or convert the file to F32, BF16 or F16.');
        }
        return toFloat32(file.read(offset + start * width, wanted * width), dtype);
      },
      place(name) { const { dtype, offset } = entry(name); return { fd: file.fd, position: offset, fileType: dtype, headDim: 0 }; },
      close: () => file.close(),
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Says which tensor a file lacks. */
export function missingTensor(path: string, name: string): never {
  throw new TiefsucheError('NOT_FOUND', `${path} has no tensor ${quoted(name)}`,
    { hint: 'The weights and the configuration may belong to different models.' });
}

const isObject = (value: StrictJson | undefined): value is { [key: string]: StrictJson } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function parseHeader(path: string, bytes: Uint8Array, dataStart: number, fileSize: number):
  { tensors: Map<string, SafetensorsEntry>; metadata: Record<string, string> } {
  const dataLength = fileSize - dataStart;
  if (bytes[0] !== 0x7b) throw formatError(path, 'the header does not begin with "{"');
  let header: StrictJson;
  try {
    header = parseStrictJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes), 4);
  } catch (cause) {
    throw formatError(path, `the header is not valid JSON (${(cause as Error).message})`, undefined, cause);
  }
  if (!isObject(header)) throw formatError(path, 'the header is not a JSON object');
  const entries: SafetensorsEntry[] = [];
  const metadata = Object.create(null) as Record<string, string>;
  for (const name of Object.keys(header)) {
    const value = header[name]!;
    if (name === '__metadata__') {
      if (!isObject(value)) throw formatError(path, '__metadata__ is not an object');
      for (const key of Object.keys(value)) {
        const text = value[key];
        if (typeof text !== 'string') throw formatError(path, `__metadata__.${quoted(key)} is not a string`);
        metadata[key] = text;
      }
      continue;
    }
    entries.push(parseEntry(path, name, value, dataStart, dataLength));
  }
  sortByPlace(path, entries, dataStart, fileSize);
  return { tensors: new Map(entries.map((entry) => [entry.name, entry])), metadata };
}

function parseEntry(path: string, name: string, value: StrictJson, dataStart: number, dataLength: number): SafetensorsEntry {
  const fail = (what: string): never => { throw formatError(path, `tensor ${quoted(name)}: ${what}`); };
  if (!isObject(value)) return fail('its entry is not an object');
  for (const key of Object.keys(value)) {
    if (key !== 'dtype' && key !== 'shape' && key !== 'data_offsets') fail(`unknown field ${quoted(key)}`);
  }
  const { dtype, shape, data_offsets: range } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(dtypeBytes, dtype)) return fail(`unknown dtype ${quoted(dtype)}`);
  if (!Array.isArray(shape) || !shape.every((d): d is number => Number.isSafeInteger(d) && (d as number) >= 0)) {
    return fail('its shape is not a list of whole numbers >= 0');
  }
  const count = elementCount(shape), byteLength = count * dtypeBytes[dtype]!;
  if (!Number.isSafeInteger(byteLength)) return fail('its shape is too large to count');
  if (!Array.isArray(range) || range.length !== 2 || !range.every((o): o is number => Number.isSafeInteger(o))) {
    return fail('its data_offsets are not two whole numbers');
  }
  const [begin, end] = range as [number, number];
  if (begin < 0 || end < begin || end > dataLength) return fail(`its bytes ${begin} to ${end} are outside the data (${dataLength} bytes)`);
  if (end - begin !== byteLength) return fail(`it has ${end - begin} bytes, but ${dtype} [${shape.join(', ').slice(0, 80)}] needs ${byteLength}`);
  return { name, dtype, shape, byteLength, offset: dataStart + begin };
}

/** Sorts tensors as they lie in the file and checks that they fill it. */
function sortByPlace(path: string, entries: SafetensorsEntry[], dataStart: number, fileSize: number): void {
  entries.sort((a, b) => a.offset - b.offset || a.byteLength - b.byteLength);
  let at = dataStart;
  for (const { name, offset, byteLength } of entries) {
    if (offset !== at) {
      throw formatError(path, `tensor ${quoted(name)} ${offset < at ? 'overlaps the one before it' : 'leaves a hole before it'}`);
    }
    at = offset + byteLength;
  }
  if (at !== fileSize) throw formatError(path, `${fileSize - at} bytes after the last tensor belong to no tensor`);
}
