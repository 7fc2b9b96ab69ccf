// YaRN against the numbers of DeepSeek-V3's released code: frequencies, the factor on cosines and sines, the softmax scale.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertNear, golden, type Golden } from '../../test/golden.ts';
import { ropeFrequencies, ropeTable, yarnAttentionScale } from './rope-table.ts';

interface Case {
  dim: number; base: number; factor: number; original_max_position_embeddings: number; beta_fast: number; beta_slow: number;
  mscale: number; mscale_all_dim: number; frequencies: Golden; cos_sin_factor: number; qk_head_dim: number; softmax_scale: number;
}
const { cases, softmax_scale_without_yarn: plain } = golden<{ cases: Case[]; softmax_scale_without_yarn: { qk_head_dim: number; value: number } }>('yarn');
const ropeOf = (c: Case) => ({
  dim: c.dim, theta: c.base,
  yarn: { factor: c.factor, originalMaxPositions: c.original_max_position_embeddings, betaFast: c.beta_fast, betaSlow: c.beta_slow, mscale: c.mscale, mscaleAllDim: c.mscale_all_dim },
});
const relative = (got: number, expected: number): number => Math.abs(got / expected - 1);

for (const c of cases) test(`YaRN of ${c.dim} channels, factor ${c.factor}, mscale ${c.mscale} / ${c.mscale_all_dim}`, () => {
  const rope = ropeOf(c);
  ropeFrequencies(rope).forEach((f, i) => assert.ok(relative(f, c.frequencies.data[i]!) < 1e-11, `frequency ${i}: ${f}`));
  assert.ok(relative(c.qk_head_dim ** -0.5 * yarnAttentionScale(rope.yarn), c.softmax_scale) < 1e-11);
  const positions = 300, table = ropeTable(positions, rope);
  const expected = Array.from({ length: positions }, (_, p) => [Math.cos, Math.sin].flatMap((f) => c.frequencies.data.map((w) => f(p * w) * c.cos_sin_factor))).flat();
  assertNear(table, expected, 2e-7, 'cosines and sines');
});

test('YaRN of DeepSeek-V3, digit by digit', () => {
  const rope = ropeOf(cases[0]!), f = ropeFrequencies(rope), unscaled = ropeFrequencies({ dim: 64, theta: 10000 });
  const known: Record<number, number> = { 0: 1, 1: 0.7498942093, 10: 0.0562341325, 11: 0.0390069266, 16: 0.0055, 22: 1.77827941e-4, 23: 3.33380358e-5, 31: 3.33380358e-6 };
  for (const [i, value] of Object.entries(known)) assert.ok(relative(f[Number(i)]!, value) < 2e-9, `frequency ${i}: ${f[Number(i)]}`);
  for (let i = 0; i <= 10; i++) assert.equal(f[i], unscaled[i], 'fast ones stay');
  for (let i = 23; i < 32; i++) assert.equal(f[i], unscaled[i]! / 40, 'slow ones are divided by the factor');
  assert.equal((192 ** -0.5).toFixed(10), '0.0721687836');
  assert.equal((192 ** -0.5 * yarnAttentionScale(rope.yarn)).toFixed(10), '0.1352337789');
  assert.ok(relative(plain.qk_head_dim ** -0.5 * yarnAttentionScale(undefined), plain.value) < 1e-12);
});
