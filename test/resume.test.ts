// Killed in the middle of a checkpoint, an optimiser step, a rollout and a rename, a run resumes and comes to the same bytes
// as an undisturbed one. test/long/ does the same thirty times.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryHome } from '../src/ledger/testing/sample-run.ts';
import { type Moment, essence, interrupted, smallRecipe, tiefsuche, trainArguments } from './interrupted-run.ts';

const moments: Readonly<Record<string, readonly Moment[]>> = { llama: ['snapshot.half:3', 'update.running:17'], deepseek_v3: ['folder.renamed:4', 'update.running:57', 'rollout.running:2'] };

for (const [architecture, kills] of Object.entries(moments)) {
  test(`${architecture}: killed in ${kills.join(' and ')}, resumed: the same bytes`, async () => {
    const kept = architecture === 'llama' ? {} : { grpo: 8, every: 4, options: 'beta: 0.05, overlong_margin: 16, overlong_filter: true, ' }; // a policy of its own must survive, too
    const home = temporaryHome(), recipe = smallRecipe(architecture, kept);
    const [reference, struck] = await Promise.all([
      tiefsuche(trainArguments(join(home, 'quiet'), recipe), join(home, 'quiet')), interrupted(join(home, 'killed'), recipe, kills, 0),
    ]);
    assert.equal(reference.status, 0, reference.err);
    assert.equal(struck, kills.length);
    const expected = await essence(join(home, 'quiet')), got = await essence(join(home, 'killed'));
    assert.deepEqual(got, expected);
    const { metrics } = expected as { metrics: { kl?: number }[] };
    assert.equal(metrics.some((m) => m.kl! > 0), 'options' in kept, 'the divergence from the policy of the beginning');
    assert.ok((expected as { metrics: { dead_groups?: number }[] }).metrics.some((m) => m.dead_groups !== undefined && m.dead_groups < 1), 'reinforcement had no signal: the test shows nothing');
  });
}
