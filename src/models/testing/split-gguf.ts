// Cuts a GGUF file into two parts as llama.cpp's gguf-split does: all keys in the first, split.* in both. For tests.

import { readFileSync, writeFileSync } from 'node:fs';
import { ggufFront, padded, type TypedValue } from '../formats/gguf-build.ts';
import { readGguf } from '../formats/gguf.ts';

/** Writes NAME-00001-of-00002.gguf and its other half beside the file, and returns their paths. */
export function splitGguf(path: string): [first: string, second: string] {
  const whole = readFileSync(path), file = readGguf(path), entries = [...file.tensors.values()], middle = entries.length >> 1;
  const { name } = entries[0]!, infos = whole.indexOf(Buffer.concat([Buffer.from(new BigUint64Array([BigInt(name.length)]).buffer), Buffer.from(name)]));
  const paths = [1, 2].map((n) => path.replace(/\.gguf$/, `-0000${n}-of-00002.gguf`)) as [string, string];
  paths.forEach((part, i) => {
    const own = i === 0 ? entries.slice(0, middle) : entries.slice(middle);
    const keys = new Map<string, TypedValue>([['split.no', { type: 'u16', value: i }], ['split.count', { type: 'u16', value: 2 }], ['split.tensors.count', { type: 'i32', value: entries.length }]]);
    const front = Buffer.from(ggufFront(keys, own, 1)), moved = i === 0 ? whole.subarray(24, infos) : Buffer.alloc(0); // unpadded: more keys come into it
    front.writeBigUInt64LE(BigInt(keys.size + (i === 0 ? file.metadata.size : 0)), 16);
    // Offsets count from the padded end of the front, in multiples of 32.
    const again = Buffer.from(ggufFront(keys, own, 32)).subarray(0, front.length);
    again.copy(front, 24, 24);
    const head = Buffer.concat([front.subarray(0, 24), moved, front.subarray(24)]), data = own.flatMap(({ offset, byteLength }) => [whole.subarray(offset, offset + byteLength), Buffer.alloc(padded(byteLength, 32) - byteLength)]);
    writeFileSync(part, Buffer.concat([head, Buffer.alloc(padded(head.length, 32) - head.length), ...data]));
  });
  file.close();
  return paths;
}
