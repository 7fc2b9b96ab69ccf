// The key-value part of a GGUF file: thirteen value types, arrays of them, arrays of arrays.
// Arrays of numbers become typed arrays; 64-bit integers become numbers where a double holds them, else bigint.

import { formatError, quoted } from './format-error.ts';
import type { GgufCursor } from './gguf-cursor.ts';

export type GgufScalar = number | bigint | boolean | string;
type TypedNumbers = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array
  | Float64Array | BigUint64Array | BigInt64Array;
export type GgufValue = GgufScalar | TypedNumbers | readonly string[] | readonly boolean[] | readonly GgufValue[];

const mostKeys = 100_000;
const longestKey = 65_535;
const longestString = 1 << 26;
// Elements that become JavaScript values cost several times their bytes in the file, so their sum is bounded.
const mostValues = 4_000_000;
const mostArrays = 20_000;
const deepestArray = 4;
const stringType = 8, arrayType = 9, boolType = 7;

const numberBytes: ReadonlyMap<number, number> = new Map([[0, 1], [1, 1], [2, 2], [3, 2], [4, 4], [5, 4], [6, 4], [10, 8], [11, 8], [12, 8]]);

/** Reads the key count and all keys. */
export function readMetadata(cursor: GgufCursor): Map<string, GgufValue> {
  const keys = cursor.count(8 + 4 + 1, mostKeys, 'keys');
  const metadata = new Map<string, GgufValue>();
  const budget = { values: mostValues, arrays: mostArrays };
  for (let i = 0; i < keys; i++) {
    const key = cursor.string(longestKey);
    if (metadata.has(key)) throw formatError(cursor.path, `the key ${quoted(key)} stands twice`);
    metadata.set(key, readValue(cursor, cursor.u32(), key, 0, budget));
  }
  return metadata;
}

interface Budget { values: number; arrays: number }

function readValue(cursor: GgufCursor, type: number, key: string, depth: number, budget: Budget): GgufValue {
  switch (type) {
    case 0: return cursor.u8();
    case 1: return cursor.i8();
    case 2: return cursor.u16();
    case 3: return cursor.i16();
    case 4: return cursor.u32();
    case 5: return cursor.i32();
    case 6: return cursor.f32();
    case boolType: return readBool(cursor, key);
    case stringType: return cursor.string(longestString);
    case arrayType: return readArray(cursor, key, depth, budget);
    case 10: return exact(cursor.u64());
    case 11: return exact(cursor.i64());
    case 12: return cursor.f64();
    default: throw formatError(cursor.path, `key ${quoted(key)} has the unknown type ${type}`);
  }
}

const exact = (value: bigint): number | bigint =>
  value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;

function readBool(cursor: GgufCursor, key: string): boolean {
  const value = cursor.u8();
  if (value > 1) throw formatError(cursor.path, `key ${quoted(key)} is a boolean with the value ${value}`);
  return value === 1;
}

function readArray(cursor: GgufCursor, key: string, depth: number, budget: Budget): GgufValue {
  if (depth >= deepestArray) throw formatError(cursor.path, `key ${quoted(key)} nests arrays deeper than ${deepestArray}`);
  if (--budget.arrays < 0) throw formatError(cursor.path, `it has more than ${mostArrays} arrays`);
  const type = cursor.u32(), width = numberBytes.get(type);
  if (width !== undefined) {
    const length = cursor.count(width, 2 ** 31, `elements in ${quoted(key)}`);
    return typed(cursor.bytes(length * width).buffer, type);
  }
  const smallest = type === stringType ? 8 : type === arrayType ? 12 : 1;
  const length = cursor.count(smallest, mostValues, `elements in ${quoted(key)}`);
  if ((budget.values -= length) < 0) throw formatError(cursor.path, `its arrays hold more than ${mostValues} values`);
  const values: GgufValue[] = [];
  for (let i = 0; i < length; i++) values.push(readValue(cursor, type, key, depth + 1, budget));
  return values;
}

function typed(buffer: ArrayBuffer, type: number): TypedNumbers {
  switch (type) {
    case 0: return new Uint8Array(buffer);
    case 1: return new Int8Array(buffer);
    case 2: return new Uint16Array(buffer);
    case 3: return new Int16Array(buffer);
    case 4: return new Uint32Array(buffer);
    case 5: return new Int32Array(buffer);
    case 6: return new Float32Array(buffer);
    case 10: return new BigUint64Array(buffer);
    case 11: return new BigInt64Array(buffer);
    default: return new Float64Array(buffer);
  }
}
