import { test } from 'node:test';
import assert from 'node:assert/strict';
import { StopFinder } from './stop-finder.ts';

/** The text cut in two at every place gives the same. */
function found(text: string, stops: readonly string[]): { before: string; found: boolean } {
  const results = Array.from({ length: text.length + 1 }, (_, at) => {
    const finder = new StopFinder(stops);
    const before = finder.push(text.slice(0, at)) + finder.push(text.slice(at)) + (finder.found ? '' : finder.end());
    return { before, found: finder.found };
  });
  for (const result of results) assert.deepEqual(result, results[0]);
  return results[0]!;
}

test('text before the first stop string, however it is cut', () => {
  assert.deepEqual(found('one, two. three', ['. ', 'three']), { before: 'one, two', found: true });
  assert.deepEqual(found('aab', ['ab']), { before: 'a', found: true });
  assert.deepEqual(found('no end', ['never']), { before: 'no end', found: false });
  assert.deepEqual(found('ends in nev', ['never']), { before: 'ends in nev', found: false });
  assert.deepEqual(found('anything', []), { before: 'anything', found: false });
});

test('what may become a stop string is held back', () => {
  const finder = new StopFinder(['END']);
  assert.equal(finder.push('the E'), 'the ');
  assert.equal(finder.push('N'), '');
  assert.equal(finder.push('d'), 'ENd');
  assert.equal(finder.end(), '');
});
