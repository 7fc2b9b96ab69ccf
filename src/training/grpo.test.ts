// GRPO's golden numbers: advantages by the three rules in use, the policy loss and its gradient by the logits for tokens
// inside and outside the clip range, and on policy a ratio of exactly 1.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Golden, assertNear, backends, golden } from '../../test/golden.ts';
import type { Backend } from '../engine/backend.ts';
import { type CrossEntropyOptions, crossEntropy } from '../engine/ops/cross-entropy.ts';
import { Arena, execute, read } from '../engine/program.ts';
import { Tape } from '../engine/tape.ts';
import { fixedWith } from '../engine/trials.ts';
import { advantages, overlongPunishment } from './grpo.ts';
import { k3 } from './reference-policy.ts';

interface Case { norm: 'dapo' | 'grpo' | 'dr_grpo'; clip: { low: number; high: number } | null; kl_beta: number; temperature: number; ratio: 'token' | 'sequence'; loss: number; clipped_share: number; dlogits: Golden }
const data = golden<{
  lengths: number[]; max_length: number; rewards: number[]; advantages: Golden; ids: number[]; logits: Golden; logprobs: Golden; old_logprobs: Golden; reference_logprobs: Golden;
  on_policy: { loss: number; dlogits: Golden }; cases: Case[];
  advantage_rules: Record<'rewards' | 'mean' | 'sample_std_1e-4' | 'population_std_1e-4', Golden>[];
  k3: { difference: number; value: number }[]; soft_overlong_20480_4096: { length: number; value: number }[];
}>('grpo');

test('advantages: reward less the mean, divided by the sample standard deviation where asked', () => {
  for (const rule of data.advantage_rules) {
    assertNear(advantages(rule.rewards.data, false), rule.mean.data, 1e-12, 'mean', 1);
    assertNear(advantages(rule.rewards.data, true), rule['sample_std_1e-4'].data, 1e-12, 'sample', 1);
  }
  assert.deepEqual(advantages([1, 0, 0, 0], false), [0.75, -0.25, -0.25, -0.25]);
  assert.deepEqual(advantages([1, 0, 0, 0], true).map((a) => Number(a.toFixed(4))), [1.4997, -0.4999, -0.4999, -0.4999]);
  assert.deepEqual(advantages([1, 1, 1, 1], true), [0, 0, 0, 0], 'no signal, no gradient');
});

test('divergence of a token (k3), digit by digit', () => {
  assert.deepEqual(data.k3.map((c) => c.difference), [-1, -0.1, 0, 0.1, 1]);
  for (const { difference, value } of data.k3) assert.ok(Math.abs(k3(difference) - value) < 1e-12, `k3(${difference}) = ${k3(difference)}`);
  assert.equal(k3(1).toFixed(6), '0.718282');
});

test('the soft punishment of long answers: none, in proportion, all of it', () => {
  for (const { length, value } of data.soft_overlong_20480_4096) assert.equal(overlongPunishment(length, 20480, 4096), value, `${length} tokens`);
  assert.equal(overlongPunishment(96, 96, 0), 0, 'off');
});

const [rows, V] = data.logits.shape;
const owner = data.lengths.flatMap((n, i) => new Array<number>(n).fill(i));
const advantage = (t: number): number => advantages(data.rewards, false)[owner[t]];

/** With the unit matrix as head the hidden states are the logits, and so are their gradients. */
async function policyLoss(backend: Backend, normaliser: number, old: ArrayLike<number>, { beta = 0, ...options }: CrossEntropyOptions & { beta?: number }) {
  const tape = new Tape({ training: true });
  const logits = fixedWith(backend, Float32Array.from(data.logits.data), [rows, V], true);
  const head = fixedWith(backend, Float32Array.from({ length: V * V }, (_, i) => (i % (V + 1) === 0 ? 1 : 0)), [V, V]);
  const coefficients = Float32Array.from({ length: rows }, (_, t) => advantage(t) / normaliser);
  const { loss, logp } = crossEntropy(tape, logits, head, tape.input(Int32Array.from(data.ids)), tape.input(coefficients), { ...options, oldLogp: tape.input(Float32Array.from(old)), ...(beta > 0 && { reference: { logp: tape.input(Float32Array.from(data.reference_logprobs.data)), weight: beta / normaliser } }) });
  tape.output(loss);
  tape.output(logp);
  const program = tape.finish(new Arena(backend));
  await execute(program);
  return { losses: read(program, loss), logp: read(program, logp), dlogits: read(program, logits.grad!), coefficients };
}
const sum = (values: Float32Array): number => values.reduce((a, b) => a + b, 0);

for (const backend of backends) {
  const { isa } = backend.info();

  // What has a mean of means or a ratio per sequence is not ours.
  for (const c of data.cases.filter((x) => x.ratio === 'token' && x.norm !== 'grpo')) {
    test(`policy loss (${c.norm}, ${c.clip ? `clipped ${c.clip.low}/${c.clip.high}` : 'not clipped'}, beta ${c.kl_beta}, temperature ${c.temperature}) on ${isa}`, async () => {
      const normaliser = c.norm === 'dapo' ? rows : data.lengths.length * data.max_length;
      const { losses, logp, dlogits } = await policyLoss(backend, normaliser, data.old_logprobs.data, { clip: c.clip ?? { low: 1e9, high: 1e9 }, temperature: c.temperature, beta: c.kl_beta });
      if (c.temperature === 1) assertNear(logp, data.logprobs.data, 2e-7, 'log-probabilities');
      assert.ok(Math.abs(sum(losses) - c.loss) < 1e-7, `loss ${sum(losses)}, expected ${c.loss}`);
      assertNear(dlogits, c.dlogits.data, 1e-6, 'gradient');
      if (c.kl_beta > 0) return; // it pulls at clipped tokens, too
      const still = Array.from({ length: rows }, (_, t) => dlogits.subarray(t * V, (t + 1) * V).every((x) => x === 0)).filter(Boolean).length;
      assert.ok(Math.abs(still / rows - c.clipped_share) < 1e-9, `${still} tokens are clipped`);
    });
  }

  test(`on policy the ratio is exactly 1, on ${isa}`, async () => {
    const { logp } = await policyLoss(backend, rows, data.logprobs.data, {});
    const { losses, dlogits, coefficients, logp: again } = await policyLoss(backend, rows, logp, { clip: { low: 1e-9, high: 1e-9 } });
    assert.deepEqual(again, logp);
    losses.forEach((l, t) => assert.equal(l, -coefficients[t], `token ${t}`));
    assert.ok(Math.abs(sum(losses) - data.on_policy.loss) < 1e-7);
    assertNear(dlogits, data.on_policy.dlogits.data, 1e-6, 'gradient');
  });
}
