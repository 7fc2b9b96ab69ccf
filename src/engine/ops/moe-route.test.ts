// The router's golden numbers: sequence-wise balance loss with its gradient, the bias update, and the trap of masking
// dropped groups with 0, which a negative bias turns into a choice of forbidden experts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Golden, assertNear, backends, golden, runOn } from '../../../test/golden.ts';
import type { Backend } from '../backend.ts';
import { Arena, execute, read, readInts } from '../program.ts';
import { Tape } from '../tape.ts';
import { fixedWith } from '../trials.ts';
import { documents } from './attention.ts';
import { moeRoute } from './moe-route.ts';

const balance = golden<{
  alpha: number; experts: number; top_k: number; lengths: number[]; logits: Golden; losses: number[]; dlogits: Golden;
  bias_updates: { loads: number[]; gamma: number; change: Golden }[];
}>('balance');

const options = { topk: 2, groups: 1, topkGroup: 1, normalise: true, scale: 1, score: 'sigmoid', maskedScore: 'neg_inf' } as const;

/** Balance loss of each document and its gradient by the logits; the experts' weights themselves get no gradient. */
async function balanced(backend: Backend, { logits, lengths, topk, coefficient }: { logits: ArrayLike<number>; lengths: readonly number[]; topk: number; coefficient: number }) {
  const T = lengths.reduce((a, b) => a + b, 0), tape = new Tape({ training: true });
  const x = fixedWith(backend, Float32Array.from(logits), [T, logits.length / T], true);
  const { weights, balanceLoss } = moeRoute(tape, x, null, { ...options, topk, balance: { documents: documents(tape, lengths), coefficient } });
  tape.output(balanceLoss!);
  tape.emit('fill', [tape.gradOf(weights).tensor], [T * topk, 0]);
  tape.backward();
  const program = tape.finish(new Arena(backend));
  await execute(program);
  return { losses: read(program, balanceLoss!), dlogits: read(program, x.grad!) };
}

for (const backend of backends) {
  const { isa } = backend.info();

  test(`balance loss and gradient on ${isa}`, async () => {
    // The golden gradient is that of the mean over sequences; a coefficient per document makes the sum a mean.
    const n = balance.lengths.length, { losses, dlogits } = await balanced(backend, { logits: balance.logits.data, lengths: balance.lengths, topk: balance.top_k, coefficient: balance.alpha / n });
    assertNear(losses, balance.losses.map((l) => l / n), 5e-7, 'losses');
    assertNear(dlogits, balance.dlogits.data, 1e-5, 'gradient');
  });

  test(`uniform routing has a balance loss of α, on ${isa}`, async () => {
    // Four tokens over four experts: f is 1 for each, whatever s is, if all scores are equal in sum: P = 1/E.
    const logits = Array.from({ length: 16 }, (_, i) => (i % 4 === Math.floor(i / 4) ? 1 : 0));
    const { losses } = await balanced(backend, { logits, lengths: [4], topk: 1, coefficient: 1e-4 });
    assert.ok(Math.abs(losses[0] / 1e-4 - 1) < 1e-6, `${losses[0]}`);
  });

  for (const { loads, gamma, change } of balance.bias_updates) test(`loads ${loads} move the biases by ${change.data}, on ${isa}`, async () => {
    const [bias, counts] = await runOn(backend, (tape) => {
      const b = tape.input(new Float32Array(loads.length)), c = tape.input(Float32Array.from(loads));
      tape.emit('moeBiasUpdate', [c, b], [loads.length, gamma]);
      return [b, c];
    });
    assert.deepEqual([...bias], change.data.map((x) => Math.fround(x)));
    assert.deepEqual([...counts], loads.map(() => 0), 'the count begins anew');
  });

  for (const [maskedScore, expected] of [['neg_inf', [0, 1]], ['zero', [2, 3]]] as const) {
    test(`negative biases, dropped groups ${maskedScore}: experts ${expected}, on ${isa}`, async () => {
      // Four experts in two groups, one group kept: 0 and 1, whose score + bias is about −0.5 and −0.4. With 0 in place
      // of the dropped ones, the forbidden experts 2 and 3 look better than the allowed.
      const tape = new Tape({ training: false });
      const { experts, weights } = moeRoute(tape, tape.input(Float32Array.from([0, 0.4, -1, -1]), [1, 4]), tape.input(Float32Array.from([-1, -1, -1.5, -1.5])),
        { ...options, groups: 2, topkGroup: 1, scale: 2.5, maskedScore });
      tape.output(experts);
      tape.output(weights);
      const program = tape.finish(new Arena(backend));
      await execute(program);
      assert.deepEqual([...readInts(program, experts)].sort(), expected);
      assert.ok(Math.abs(read(program, weights).reduce((a, b) => a + b, 0) - 2.5) < 1e-5, 'weights sum to the scale: the bias is not in them');
    });
  }
}
