// Number types against values by numpy, ml_dtypes and gguf-py (test/data/format-goldens).

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { float16Table, fromFloat32, toFloat32 } from './dtypes.ts';
import { dequantize } from './gguf-quants.ts';

const goldens = JSON.parse(readFileSync(new URL('../../../test/data/format-goldens/goldens.json', import.meta.url), 'utf8'));
const bytes = (hex: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(hex, 'hex'));
const hex = (data: Float32Array | Uint8Array): string => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex');

for (const type of ['Q4_0', 'Q4_1', 'Q8_0']) {
  test(`${type} blocks have the values ggml gives them, bit for bit`, () => {
    assert.equal(hex(dequantize(bytes(goldens[type].bytes), type)), goldens[type].values);
  });
}

for (const type of ['F16', 'BF16'] as const) {
  test(`f32 to ${type} rounds to nearest even, also at the edges`, () => {
    assert.equal(hex(fromFloat32(new Float32Array(bytes(goldens[type].f32).buffer), type)), goldens[type].bits);
  });
  test(`${type} to f32 and back is the identity for every bit pattern but NaN`, () => {
    const all = Uint16Array.from({ length: 65536 }, (_, i) => i), values = toFloat32(new Uint8Array(all.buffer), type);
    const back = new Uint16Array(fromFloat32(values, type).slice().buffer);
    for (let i = 0; i < 65536; i++) {
      if (Number.isNaN(values[i]!)) assert.ok(Number.isNaN(toFloat32(new Uint8Array(Uint16Array.of(back[i]!).buffer), type)[0]!));
      else assert.equal(back[i], i);
    }
  });
}

test('all f16 values are right', () => {
  const values = float16Table().map((v) => (Number.isNaN(v) ? 0 : v));
  assert.equal(createHash('sha256').update(new Uint8Array(values.buffer)).digest('hex'), goldens.F16_all.sha256);
});

for (const type of ['F8_E4M3', 'F8_E5M2']) {
  test(`all ${type} values are right`, () => {
    const values = toFloat32(Uint8Array.from({ length: 256 }, (_, i) => i), type).map((v) => (Number.isNaN(v) ? 12345 : v));
    assert.equal(hex(values), goldens[type].values);
  });
}

test('integers and booleans become numbers', () => {
  assert.deepEqual([...toFloat32(new Uint8Array(BigInt64Array.of(-5n, 9n).buffer), 'I64')], [-5, 9]);
  assert.deepEqual([...toFloat32(new Uint8Array(Int16Array.of(-300, 7).buffer), 'I16')], [-300, 7]);
  assert.deepEqual([...toFloat32(Uint8Array.of(0, 1), 'BOOL')], [0, 1]);
  assert.deepEqual([...toFloat32(new Uint8Array(Float64Array.of(0.1).buffer), 'F64')], [Math.fround(0.1)]);
});
