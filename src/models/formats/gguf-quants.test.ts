// Values of quantised blocks against gguf 0.19.0 from PyPI, bit for bit (test/fixtures/make-gguf-dequantised.py).

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { dequantize } from './gguf-quants.ts';

const cases = JSON.parse(readFileSync(new URL('../../../test/fixtures/gguf-dequantised.json', import.meta.url), 'utf8')) as Record<string, { blocks: string; values: string }>;

for (const [type, { blocks, values }] of Object.entries(cases)) test(`${type} has gguf's values`, () => {
  const expected = new Float32Array(Uint8Array.from(Buffer.from(values, 'base64')).buffer);
  assert.ok(expected.length > 0);
  assert.deepEqual(dequantize(Uint8Array.from(Buffer.from(blocks, 'base64')), type), expected);
});
