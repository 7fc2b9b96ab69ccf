import test from 'node:test';
import assert from 'node:assert/strict';
import { philox, random, RandomStream, type Block } from './random.ts';

const words = (hex: string): number[] => hex.split(' ').map((word) => parseInt(word, 16));

test('philox gives the known answers published with Random123 (tests/kat_vectors, philox4x32 10)', () => {
  const known = [
    ['00000000 00000000 00000000 00000000', '00000000 00000000', '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
    ['ffffffff ffffffff ffffffff ffffffff', 'ffffffff ffffffff', '408f276d 41c83b0e a20bc7c6 6d5451fd'],
    ['243f6a88 85a308d3 13198a2e 03707344', 'a4093822 299f31d0', 'd16cfe09 94fdcceb 5001e420 24126ea1'],
  ] as const;
  for (const [counter, key, answer] of known) {
    assert.deepEqual(philox(words(counter) as Block, words(key) as [number, number]), words(answer));
  }
});

test('a stream walks through random(seed, stream, counter), also beyond 32 bits', () => {
  for (const [seed, stream] of [[0, 0], [7, 3], [2 ** 40 + 5, 2 ** 52 + 1]] as const) {
    const rng = new RandomStream(seed, stream);
    for (let counter = 0; counter < 20; counter++) assert.equal(rng.word(), random(seed, stream, counter));
  }
  const first = (seed: number, stream: number, counter: number) => random(seed, stream, counter);
  assert.notEqual(first(1, 0, 0), first(0, 1, 0));
  assert.notEqual(first(2 ** 32, 0, 0), first(0, 0, 0));
  assert.notEqual(first(0, 2 ** 32, 0), first(0, 0, 0));
  assert.notEqual(first(0, 0, 2 ** 34), first(0, 0, 0));
});

test('integers are even over their range and hit both ends', () => {
  const rng = new RandomStream(11);
  const counts = new Array<number>(7).fill(0);
  for (let i = 0; i < 70_000; i++) counts[rng.integer(-3, 3) + 3]!++;
  const chiSquare = counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
  assert.ok(chiSquare < 22.5, `chi-square ${chiSquare} with 6 degrees of freedom (p = 0.001)`);
});

test('shuffle keeps the items, leaves its argument alone, and every order comes up', () => {
  const rng = new RandomStream(5);
  const items = [1, 2, 3];
  const seen = new Map<string, number>();
  for (let i = 0; i < 6000; i++) {
    const order = rng.shuffle(items).join('');
    seen.set(order, (seen.get(order) ?? 0) + 1);
  }
  assert.deepEqual(items, [1, 2, 3]);
  assert.equal(seen.size, 6);
  for (const count of seen.values()) assert.ok(count > 850 && count < 1150, `${count} of about 1000`);
});
