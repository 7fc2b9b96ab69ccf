// A GGUF model in parts says the same as in one file; a part that is missing, misnamed or twice there is named.

import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { buildGguf, type TypedValue } from './gguf-build.ts';
import { readGgufParts } from './gguf-split.ts';

const folder = mkdtempSync(join(tmpdir(), 'tiefsuche-split-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const part = (i: number, count = 3): string => join(folder, `m-${String(i).padStart(5, '0')}-of-${String(count).padStart(5, '0')}.gguf`);
const u16 = (value: number): TypedValue => ({ type: 'u16', value });

/** Three parts with two tensors each, the keys in the first. */
function write({ total = 6, twice = false } = {}): void {
  for (let i = 0; i < 3; i++) {
    const keys: [string, TypedValue][] = [['split.no', u16(i)], ['split.count', u16(3)], ['split.tensors.count', { type: 'i32', value: total }]];
    const names = [0, 1].map((j) => `t${twice && i === 2 ? j : 2 * i + j}`);
    writeFileSync(part(i + 1), buildGguf(new Map([...(i === 0 ? [['general.architecture', { type: 'string', value: 'llama' }] as [string, TypedValue]] : []), ...keys]),
      names.map((name, j) => ({ name, shape: [4], dtype: 'F32', bytes: new Uint8Array(new Float32Array(4).fill(10 * i + j).buffer) }))));
  }
}

test('parts are one model', () => {
  write();
  const file = readGgufParts(part(1));
  assert.deepEqual([...file.tensors.keys()], ['t0', 't1', 't2', 't3', 't4', 't5']);
  assert.equal(file.metadata.get('general.architecture'), 'llama');
  assert.deepEqual(['t1', 't2', 't5'].map((t) => file.readFloat32(t)[0]), [1, 10, 21]);
  assert.deepEqual(file.readBytes('t4'), new Uint8Array(new Float32Array(4).fill(20).buffer));
  assert.notEqual(file.place!('t0')!.fd, file.place!('t5')!.fd);
  file.close();
});

test('what is wrong with parts is named', () => {
  write();
  assert.throws(() => readGgufParts(part(2)), { code: 'INPUT', message: /part 2 of 3/ });
  renameSync(part(2), join(folder, 'elsewhere'));
  assert.throws(() => readGgufParts(part(1)), { code: 'NOT_FOUND', message: /3 parts .*missing: m-00002-of-00003\.gguf$/ });
  copyFileSync(part(3), part(2));
  assert.throws(() => readGgufParts(part(1)), { code: 'FORMAT', message: /part 2 of 3, not 1/ });
  copyFileSync(part(1), join(folder, 'alone.gguf'));
  assert.throws(() => readGgufParts(join(folder, 'alone.gguf')), { code: 'FORMAT', message: /one of 3 parts/ });
  write({ total: 7 });
  assert.throws(() => readGgufParts(part(1)), { code: 'FORMAT', message: /6 tensors together, it announces 7/ });
  write({ twice: true });
  assert.throws(() => readGgufParts(part(1)), { code: 'FORMAT', message: /"t0" stands in m-00001/ });
});
