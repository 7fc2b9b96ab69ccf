// safetensors: a file by the reference library, round trips, and every rule of the format broken once.

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { isTiefsucheError } from '../../errors.ts';
import { readSafetensors } from './safetensors.ts';
import { readSafetensorsFolder, writeSafetensorsFolder } from './safetensors-folder.ts';
import { writeSafetensors } from './safetensors-write.ts';

const folder = mkdtempSync(join(tmpdir(), 'tiefsuche-safetensors-'));
after(() => rmSync(folder, { recursive: true }));
const goldens = JSON.parse(readFileSync(new URL('../../../test/data/format-goldens/goldens.json', import.meta.url), 'utf8'));

function file(header: string | Buffer, data: number | Uint8Array = 0, headerLength?: bigint): string {
  const path = join(folder, 'case.safetensors'), text = Buffer.from(header as string), length = Buffer.alloc(8);
  length.writeBigUInt64LE(headerLength ?? BigInt(text.length));
  writeFileSync(path, Buffer.concat([length, text, typeof data === 'number' ? Buffer.alloc(data) : data]));
  return path;
}

test('a file of the reference library is read', () => {
  const path = join(folder, 'reference.safetensors');
  writeFileSync(path, Buffer.from(goldens.safetensors, 'hex'));
  const read = readSafetensors(path);
  assert.deepEqual({ ...read.metadata }, { format: 'pt', note: 'Grüße' });
  assert.deepEqual([...read.readFloat32('b')], [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(read.tensors.get('b')!.shape, [2, 3]);
  assert.deepEqual([...read.readFloat32('a')], [1, -2, 3]);
  assert.deepEqual([...read.readFloat32('h')], [0.5, 1.5]);
  assert.deepEqual([...read.readFloat32('z.scalar')], [7]);
  assert.deepEqual([...read.readFloat32('empty')], []);
  assert.deepEqual([...read.readFloat32('b', 2, 3)], [2, 3, 4]);
  assert.throws(() => read.readFloat32('b', 2, 5), RangeError);
  assert.throws(() => read.readFloat32('c'), (e) => isTiefsucheError(e) && e.code === 'NOT_FOUND');
  read.close();
});

test('what is written is read, in every type, and the bytes do not depend on the order given', async () => {
  const values = Float32Array.of(1, -2.5, 3.14159, 0, 65504, 2 ** -24);
  const tensors = [
    { name: 'zeta', shape: [2, 3], data: values }, { name: 'alpha', shape: [6], dtype: 'BF16', data: () => values },
    { name: '7', shape: [3, 2], dtype: 'F16', data: async () => values }, { name: 'ids', shape: [2], dtype: 'I64', data: new Uint8Array(BigInt64Array.of(4n, 5n).buffer) },
    { name: '__proto__', shape: [], dtype: 'F32', data: Float32Array.of(9) },
  ];
  const one = join(folder, 'one.safetensors'), two = join(folder, 'two.safetensors');
  const written = await writeSafetensors(one, tensors, { b: '2', a: 'ä' });
  const again = await writeSafetensors(two, tensors.toReversed(), { a: 'ä', b: '2' });
  assert.equal(written.sha256, again.sha256);
  assert.deepEqual(readFileSync(one), readFileSync(two));
  const read = readSafetensors(one);
  assert.equal(written.bytes, readFileSync(one).length);
  assert.deepEqual([...read.readFloat32('zeta')], [...values]);
  assert.deepEqual([...read.readFloat32('alpha')], [1, -2.5, 3.140625, 0, 65536, 2 ** -24]);
  assert.deepEqual([...read.readFloat32('ids')], [4, 5]);
  assert.deepEqual([...read.readFloat32('__proto__')], [9]);
  assert.deepEqual([...read.tensors.keys()], ['ids', '__proto__', 'zeta', '7', 'alpha']);
  for (const { offset, dtype } of read.tensors.values()) assert.equal(offset % (dtype === 'I64' ? 8 : 2), 0);
  read.close();
});

test('a failing write leaves the old file and no temporary file', async () => {
  const path = join(folder, 'kept.safetensors');
  await writeSafetensors(path, [{ name: 'a', shape: [1], data: Float32Array.of(1) }]);
  const before = readFileSync(path);
  await assert.rejects(writeSafetensors(path, [{ name: 'a', shape: [1], data: () => { throw new Error('disk on fire'); } }]), /disk on fire/);
  await assert.rejects(writeSafetensors(path, [{ name: 'a', shape: [2], data: Float32Array.of(1) }]), /internal error/);
  assert.deepEqual(readFileSync(path), before);
  assert.deepEqual(readdirSync(folder).filter((n) => n.endsWith('.tmp')), []);
});

const f32 = (offsets: string, shape = '[1]', dtype = 'F32'): string => `{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}`;
const broken: readonly [string, () => string, RegExp][] = [
  ['an empty file', () => { const p = join(folder, 'empty'); writeFileSync(p, ''); return p; }, /too few/],
  ['a header longer than the file', () => file('{}', 0, 1000n), /claims 1000/],
  ['a header length of 2^63', () => file('{}', 0, 1n << 63n), /claims/],
  ['a header that is no object', () => file('[1]      '), /does not begin/],
  ['broken JSON', () => file('{"a":'), /not valid JSON/],
  ['text after the header object', () => file('{}x'), /not valid JSON/],
  ['wrong UTF-8', () => file(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])), /not valid JSON/],
  ['a byte order mark', () => file('\ufeff{}'), /does not begin/],
  ['deep nesting', () => file(`{"a":${'['.repeat(5000)}`), /nesting/],
  ['a duplicate tensor', () => file(`{"a":${f32('[0,4]')},"a":${f32('[0,4]')}}`, 4), /stands twice/],
  ['a duplicate with escapes', () => file(`{"a":${f32('[0,4]')},"\\u0061":${f32('[0,4]')}}`, 4), /stands twice/],
  ['an unknown dtype', () => file(`{"a":${f32('[0,4]', '[1]', 'F33')}}`, 4), /unknown dtype/],
  ['a dtype named like a method', () => file(`{"a":${f32('[0,4]', '[1]', 'toString')}}`, 4), /unknown dtype/],
  ['a negative dimension', () => file(`{"a":${f32('[0,4]', '[-1]')}}`, 4), /whole numbers/],
  ['a fractional dimension', () => file(`{"a":${f32('[0,4]', '[1.5]')}}`, 4), /whole numbers/],
  ['a shape that overflows', () => file(`{"a":${f32('[0,4]', '[4294967296,4294967296]')}}`, 4), /too large to count/],
  ['a number beyond 2^53', () => file(`{"a":${f32('[0,4]', '[18446744073709551617]')}}`, 4), /too large/],
  ['offsets outside the file', () => file(`{"a":${f32('[0,4]')}}`, 3), /outside the data/],
  ['offsets the wrong way round', () => file(`{"a":${f32('[4,0]')}}`, 4), /outside the data/],
  ['a size that does not fit the shape', () => file(`{"a":${f32('[0,8]')}}`, 8), /needs 4/],
  ['overlapping tensors', () => file(`{"a":${f32('[0,4]')},"b":${f32('[2,6]')}}`, 6), /overlaps/],
  ['a hole', () => file(`{"a":${f32('[0,4]')},"b":${f32('[8,12]')}}`, 12), /hole/],
  ['bytes at the end', () => file(`{"a":${f32('[0,4]')}}`, 5), /belong to no tensor/],
  ['metadata that is not text', () => file('{"__metadata__":{"a":1}}'), /not a string/],
  ['an entry that is not an object', () => file('{"a":null}'), /not an object/],
  ['an unknown field', () => file('{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0],"more":1}}'), /unknown field/],
  ['missing fields', () => file('{"a":{}}'), /unknown dtype nothing/],
];
for (const [what, make, message] of broken) {
  test(`refused: ${what}`, () => {
    assert.throws(() => readSafetensors(make()), (e) => isTiefsucheError(e) && e.code === 'FORMAT' && message.test(e.message) && e.hint !== undefined);
  });
}

test('shards are written and read; an index cannot reach other folders', async () => {
  const dir = join(folder, 'shards');
  const tensors = ['c', 'a', 'b'].map((name, i) => ({ name, shape: [4], data: Float32Array.from({ length: 4 }, (_, j) => i * 10 + j) }));
  await writeSafetensorsFolder(dir, tensors, {}, 32);
  assert.deepEqual(readdirSync(dir).sort(), ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors', 'model.safetensors.index.json']);
  const read = readSafetensorsFolder(dir);
  assert.deepEqual([...read.readFloat32('c')], [0, 1, 2, 3]);
  assert.deepEqual([...read.tensors.keys()].sort(), ['a', 'b', 'c']);
  read.close();
  const index = join(dir, 'model.safetensors.index.json');
  for (const shard of ['../secret.safetensors', '/etc/passwd', 'a/b.safetensors', '..\\x.safetensors', 'C:x.safetensors', '.x.safetensors', 'x.bin']) {
    writeFileSync(index, JSON.stringify({ weight_map: { a: shard } }));
    assert.throws(() => readSafetensorsFolder(dir), (e) => isTiefsucheError(e) && e.code === 'FORMAT' && /not the name of a shard/.test(e.message), shard);
  }
  writeFileSync(index, JSON.stringify({ weight_map: { a: 'model-00001-of-00002.safetensors' } }));
  assert.throws(() => readSafetensorsFolder(dir), /does not list/);
  writeFileSync(index, JSON.stringify({ weight_map: { zz: 'model-00001-of-00002.safetensors' } }));
  assert.throws(() => readSafetensorsFolder(dir), (e) => isTiefsucheError(e) && e.code === 'NOT_FOUND');
});
