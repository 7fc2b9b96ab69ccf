import { test } from 'node:test';
import assert from 'node:assert/strict';
import { PagePool } from './page-pool.ts';

test('a page keeps its name until it is overwritten, and a chain of pages is found by its tokens', () => {
  const pool = new PagePool(3), a = pool.take()!, b = pool.take()!;
  pool.name(a, undefined, [1, 2]);
  pool.name(b, a, [3, 4]);
  assert.equal(pool.find(undefined, [1, 2]), a);
  assert.equal(pool.find(a, [3, 4]), b);
  assert.equal(pool.find(undefined, [3, 4]), undefined, 'the same tokens at another place are another page');
  pool.release(a);
  pool.release(b);
  assert.equal(pool.free, 3);
  pool.share(pool.find(undefined, [1, 2])!);
  assert.equal(pool.free, 2);
  assert.deepEqual([pool.take(), pool.take()], [2, b], 'the oldest unused first');
  assert.equal(pool.take(), undefined);
  assert.equal(pool.find(a, [3, 4]), undefined);
  assert.equal(pool.find(undefined, [1, 2]), a);
});

test('a page with several users is free when the last has left', () => {
  const pool = new PagePool(1), page = pool.take()!;
  pool.share(page);
  pool.release(page);
  assert.equal(pool.free, 0);
  pool.release(page);
  assert.equal(pool.free, 1);
});
