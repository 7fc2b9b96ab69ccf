// Thirty kills: inside checkpoints, renames, rollouts and optimiser steps at seeded counts, and at seeded times whatever
// happens there, up to five to a run, on a dense and a mixture-of-experts model. Every run ends with the undisturbed one's bytes.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { RandomStream } from '../../src/engine/random.ts';
import { temporaryHome } from '../../src/ledger/testing/sample-run.ts';
import { type Moment, architectures, essence, interrupted, smallRecipe, tiefsuche, trainArguments } from '../interrupted-run.ts';

/** Named moments and about how often a run of this recipe passes them between two kills. */
const named: readonly (readonly [moment: string, often: number])[] = [
  ['snapshot.half', 3], ['folder.filled', 3], ['folder.rename', 3], ['folder.renamed', 3], ['file.rename', 12], ['update.running', 24], ['rollout.running', 30], ['step.done', 20],
];

for (const [index, architecture] of architectures.entries()) {
  test(`${architecture}: killed fifteen times`, async () => {
    const home = temporaryHome(), recipe = smallRecipe(architecture), random = new RandomStream(2027, index);
    const undisturbed = await tiefsuche(trainArguments(join(home, 'quiet'), recipe), join(home, 'quiet'));
    assert.equal(undisturbed.status, 0, undisturbed.err);
    const expected = await essence(join(home, 'quiet'));
    const pick = (i: number): Moment => {
      const [moment, often] = named[i % named.length]!;
      return i % 3 === 2 ? random.uniform() * 0.7 : `${moment}:${1 + Math.floor(random.uniform() * often)}`;
    };
    let struck = 0, asked = 0;
    for (let chain = 0; struck < 15 && chain < 12; chain++) {
      const at = join(home, `killed-${chain}`);
      const moments = chain === 0 ? ['final.saved'] : Array.from({ length: 5 }, (): Moment => pick(asked++ + 4 * index));
      struck += await interrupted(at, recipe, moments, undisturbed.ms);
      assert.deepEqual(await essence(at), expected, `after kills at ${moments.join(', ')}`);
    }
    assert.ok(struck >= 15, `${struck} kills struck`);
  });
}
