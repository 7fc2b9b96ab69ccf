// DeepSeek-V3's parameters, counted from our specs of the published configuration; no weight is allocated.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { sizeOf } from '../engine/tensor.ts';
import { deepseekV3 } from './deepseek-v3.ts';
import type { ParameterSpec } from './parameters.ts';

const published = JSON.parse(readFileSync(new URL('../../test/data/deepseek-v3-config/config_671B.json', import.meta.url), 'utf8')) as Record<string, number>;

/** Hugging Face's names for what the authors' own configuration says. */
const names: Readonly<Record<string, string>> = {
  vocab_size: 'vocab_size', dim: 'hidden_size', inter_dim: 'intermediate_size', moe_inter_dim: 'moe_intermediate_size', n_layers: 'num_hidden_layers',
  n_dense_layers: 'first_k_dense_replace', n_heads: 'num_attention_heads', n_routed_experts: 'n_routed_experts', n_shared_experts: 'n_shared_experts',
  n_activated_experts: 'num_experts_per_tok', n_expert_groups: 'n_group', n_limited_groups: 'topk_group', route_scale: 'routed_scaling_factor',
  q_lora_rank: 'q_lora_rank', kv_lora_rank: 'kv_lora_rank', qk_nope_head_dim: 'qk_nope_head_dim', qk_rope_head_dim: 'qk_rope_head_dim', v_head_dim: 'v_head_dim',
};
const config = Object.fromEntries(Object.entries(names).map(([theirs, ours]) => [ours, published[theirs]]));
const count = (specs: readonly ParameterSpec[]): number => specs.reduce((n, s) => n + sizeOf(s.shape), 0);

test('DeepSeek-V3 has 671,026,419,200 parameters, of which a token uses 37,552,297,472', () => {
  const specs = deepseekV3.parameters(config);
  assert.equal(count(specs), 671_026_419_200);
  const expertOf = ({ name }: ParameterSpec): number => Number(/\.experts\.(\d+)\./.exec(name)?.[1] ?? -1);
  assert.equal(count(specs.filter((s) => expertOf(s) < published['n_activated_experts'])), 37_552_297_472);
});

test('its attention has 187,107,328 parameters a layer, an expert 44,040,192', () => {
  const specs = deepseekV3.parameters(config);
  assert.equal(count(specs.filter((s) => s.name.startsWith('model.layers.5.self_attn.'))), 187_107_328);
  assert.equal(count(specs.filter((s) => s.name.startsWith('model.layers.5.mlp.experts.17.'))), 44_040_192);
});

test('its module for multi-token prediction has 11.5 billion of its own', () => {
  const own = count(deepseekV3.parameters({ ...config, num_nextn_predict_layers: 1 })) - count(deepseekV3.parameters(config));
  // A layer with its experts, eh_proj, and three norms beside the layer's.
  assert.equal(own, 187_107_328 + 2 * 7168 + 257 * 44_040_192 + 256 * 7168 + 256 + 2 * 7168 ** 2 + 3 * 7168);
});

test('absorbed, a token\'s keys are its latent and rotated part for all 128 heads together (576 values), its values the latent', () => {
  const { absorbedCache, cache } = deepseekV3.dimensions(config);
  assert.deepEqual(absorbedCache, { keyHeads: 1, D: 512 + 64, Dv: 512 });
  assert.deepEqual(cache, { keyHeads: 128, D: 192, Dv: 128 });
});
