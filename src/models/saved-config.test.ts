// A saved config.json says everything, for other readers have other defaults (transformers takes those of each family's
// first model): the settings of an architecture name all keys, change nothing, and fractions stay fractions.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settingsJson } from './formats/hf-folder.ts';
import { architectureOf } from './index.ts';

const sizes = { vocab_size: 50, hidden_size: 24, num_hidden_layers: 2, num_attention_heads: 3, intermediate_size: 40 };
const latent = { ...sizes, kv_lora_rank: 8, qk_nope_head_dim: 6, qk_rope_head_dim: 4, v_head_dim: 5 };
const experts = { ...latent, n_routed_experts: 4, num_experts_per_tok: 2, moe_intermediate_size: 12, first_k_dense_replace: 1 };
const cases: [type: string, config: Record<string, unknown>, expected: Record<string, unknown>][] = [
  ['llama', sizes, { num_key_value_heads: 3, head_dim: 8, rms_norm_eps: 1e-6, rope_theta: 10000, tie_word_embeddings: false, max_position_embeddings: 2048 }],
  ['qwen2', { ...sizes, num_key_value_heads: 1, rope_theta: 1e6 }, { num_key_value_heads: 1, rope_theta: 1e6 }],
  ['qwen3', sizes, { head_dim: 8 }], // 128 in transformers
  ['deepseek_v3', latent, { q_lora_rank: null, n_routed_experts: 0, first_k_dense_replace: 2, num_key_value_heads: 3, num_nextn_predict_layers: 0 }],
  ['deepseek_v3', experts, { n_group: 1, topk_group: 1, routed_scaling_factor: 1, n_shared_experts: 0, norm_topk_prob: true, first_k_dense_replace: 1 }],
  ['deepseek_v3', { ...experts, q_lora_rank: 7, n_group: 2, topk_group: 1, num_nextn_predict_layers: 1 }, { q_lora_rank: 7, n_group: 2, num_nextn_predict_layers: 1 }],
  ['deepseek_v2', { ...experts, q_lora_rank: null }, { topk_method: 'greedy', scoring_func: 'softmax', norm_topk_prob: false, q_lora_rank: null, moe_layer_freq: 1 }],
  ['deepseek_v2', { ...experts, topk_method: 'group_limited_greedy', n_group: 2 }, { topk_method: 'group_limited_greedy', n_group: 2, topk_group: 1 }],
  ['mistral', sizes, { sliding_window: 4096 }],
  ['mistral', { ...sizes, sliding_window: null }, {}],
  ['qwen3_moe', { ...sizes, num_experts: 4, num_experts_per_tok: 2, moe_intermediate_size: 12 }, { num_experts: 4, decoder_sparse_step: 1, mlp_only_layers: [], norm_topk_prob: false }],
  ['gemma3_text', { ...sizes, num_attention_heads: 8 }, { head_dim: 256, num_key_value_heads: 4, rope_theta: 1e6, rope_local_base_freq: 1e4, query_pre_attn_scalar: 256, tie_word_embeddings: true }],
  ['smollm3', { ...sizes, no_rope_layer_interval: 2 }, { no_rope_layers: [1, 0] }],
];

for (const [type, config, expected] of cases) test(`${type} (${Object.keys(config).length} keys) says all of itself`, () => {
  const architecture = architectureOf(type), settings = architecture.settings(config), whole = { ...settings, ...config };
  for (const [key, value] of Object.entries(expected)) assert.deepEqual(settings[key], value, key);
  assert.deepEqual(architecture.parameters(whole), architecture.parameters(config));
  assert.deepEqual(architecture.dimensions(whole), architecture.dimensions(config));
  assert.deepEqual(architecture.settings(whole), settings);
});

test('rotations in the newer spelling get no second theta', () => {
  assert.ok(!('rope_theta' in architectureOf('llama').settings({ ...sizes, rope_parameters: { rope_type: 'default', rope_theta: 500 } })));
});

test('whole fractions are written with a point, counts without', () => {
  const text = settingsJson({ routed_scaling_factor: 1, rms_norm_eps: 1e-6, n_group: 1, rope_scaling: { factor: 40, original_max_position_embeddings: 4096 }, rope_theta: 10000 });
  assert.match(text, /"routed_scaling_factor": 1\.0\n/);
  assert.match(text, /"factor": 40\.0,\n/);
  assert.match(text, /"rope_theta": 10000\.0,\n/);
  assert.match(text, /"n_group": 1,\n/);
  assert.match(text, /"original_max_position_embeddings": 4096\n/);
  assert.match(text, /"rms_norm_eps": 0\.000001,\n/);
  assert.equal((JSON.parse(text) as Record<string, unknown>)['rope_theta'], 10000);
});
