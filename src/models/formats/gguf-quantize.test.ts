// The quantisers against those of gguf 0.19.0 from PyPI, byte for byte where it has them (test/fixtures/make-gguf-quantised.py),
// and K-quants, which it only reads, by the error that comes back through our reader.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { dequantize, isDequantizable } from './gguf-quants.ts';
import { quantize } from './gguf-quantize.ts';

const fixture = (name: string): Buffer => readFileSync(new URL(`../../../test/fixtures/gguf-quantised/${name}`, import.meta.url));
const values = new Float32Array(new Uint8Array(fixture('values.f32')).buffer);

for (const type of ['F16', 'BF16', 'Q8_0', 'Q5_0', 'Q5_1']) {
  test(`${type} has the bytes that gguf writes`, () => { assert.deepEqual(Buffer.from(quantize(values, type)), fixture(`${type}.bin`)); });
}

test('zeros stay zeros, and sizes are whole blocks', () => {
  for (const [type, bytes] of [['Q8_0', 34], ['Q5_0', 22], ['Q5_1', 24], ['Q4_K', 144], ['Q5_K', 176], ['Q6_K', 210]] as const) {
    const n = type.endsWith('K') ? 256 : 32, out = quantize(new Float32Array(3 * n), type);
    assert.equal(out.length, 3 * bytes, type);
    if (isDequantizable(type)) assert.ok(dequantize(Uint8Array.from(out), type).every((x) => x === 0), type);
  }
});

test('K-quants come back with less error than plain types of as many bits', () => {
  const rows = values.subarray(7 * 512, 12 * 512), error = (type: string): number => {
    const back = dequantize(Uint8Array.from(quantize(rows, type)), type);
    let off = 0, all = 0;
    rows.forEach((x, i) => { off += (x - back[i]!) ** 2; all += x * x; });
    return Math.sqrt(off / all);
  };
  for (const [type, most] of [['Q4_K', 0.08], ['Q5_K', 0.04], ['Q6_K', 0.021]] as const) if (isDequantizable(type)) assert.ok(error(type) < most, `${type}: ${error(type)}`);
});
