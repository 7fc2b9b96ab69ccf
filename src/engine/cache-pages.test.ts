// Halves as the reference rounds them: every f16 comes back, and what lies between goes to the nearest, ties to even.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { halfBits, pageWords } from './cache-pages.ts';
import { halfValue } from './panels.ts';

test('every half comes back, and the middle between two goes to the even one', () => {
  for (let bits = 0; bits < 0x7c00; bits++) {
    const x = halfValue(bits), next = bits === 0x7bff ? 65536 : halfValue(bits + 1), middle = (x + next) / 2;
    assert.equal(halfBits(x), bits);
    assert.equal(halfBits(-x), bits | 0x8000);
    assert.equal(halfBits(middle), bits % 2 === 0 ? bits : bits + 1, `${middle}`);
    assert.equal(halfBits(middle - (next - x) / 8), bits);
    assert.equal(halfBits(middle + (next - x) / 8), bits + 1);
  }
  assert.equal(halfBits(1e9), 0x7c00);
});

test('a page of 64 channels takes half and a little over a quarter', () => {
  assert.deepEqual((['f32', 'f16', 'q8'] as const).map((type) => pageWords(type, 64) * 4), [16384, 8192, 4352]);
});
