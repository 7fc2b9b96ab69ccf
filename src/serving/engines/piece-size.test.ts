import { test } from 'node:test';
import assert from 'node:assert/strict';
import { PieceSize, longestPiece } from './piece-size.ts';

test('alone whole pieces; beside others as much as takes a seventh of a second, by what the last piece took', () => {
  const size = new PieceSize();
  assert.deepEqual([size.next(false), size.next(true)], [longestPiece, 32], 'nothing is known yet');
  size.took(64, 0.32); // 5 ms a token
  assert.deepEqual([size.next(false), size.next(true)], [longestPiece, 30]);
  size.took(8, 8); // too short to tell
  assert.equal(size.next(true), 30);
  size.took(16, 3.2);
  assert.equal(size.next(true), 16, 'a slow model still gets on');
  size.took(128, 0.01);
  assert.equal(size.next(true), longestPiece);
});
