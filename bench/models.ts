// The benchmark models, as in peers/models.py. A step of llama-30m goes through the model in four passes, whose gradients add
// up, as `micro_tokens: 512` of a recipe would have it: half of the memory, and the same time within a few percent.

export interface BenchModel { readonly config: Readonly<Record<string, unknown>> & { readonly vocab_size: number }; readonly batch: number; readonly length: number; readonly microTokens?: number }

const shared = { tie_word_embeddings: true, max_position_embeddings: 2048, rope_theta: 10000, rms_norm_eps: 1e-6 };

export const benchModels: Readonly<Record<string, BenchModel>> = {
  'llama-3m': { batch: 8, length: 256, config: { ...shared, model_type: 'llama', vocab_size: 1024, hidden_size: 192, intermediate_size: 512, num_hidden_layers: 6, num_attention_heads: 6, num_key_value_heads: 2 } },
  'llama-30m': { batch: 8, length: 256, microTokens: 512, config: { ...shared, model_type: 'llama', vocab_size: 8192, hidden_size: 512, intermediate_size: 1408, num_hidden_layers: 8, num_attention_heads: 8, num_key_value_heads: 8 } },
  'deepseek-7m': {
    batch: 8, length: 256, config: {
      ...shared, model_type: 'deepseek_v3', vocab_size: 4096, hidden_size: 256, intermediate_size: 704, moe_intermediate_size: 128, num_hidden_layers: 6, first_k_dense_replace: 1,
      num_attention_heads: 8, num_key_value_heads: 8, n_routed_experts: 8, n_shared_experts: 1, num_experts_per_tok: 2, n_group: 1, topk_group: 1, routed_scaling_factor: 1,
      q_lora_rank: 96, kv_lora_rank: 64, qk_nope_head_dim: 32, qk_rope_head_dim: 16, v_head_dim: 32,
    },
  },
  'smollm2-135m': { batch: 2, length: 256, config: { ...shared, model_type: 'llama', vocab_size: 49152, hidden_size: 576, intermediate_size: 1536, num_hidden_layers: 30, num_attention_heads: 9, num_key_value_heads: 3 } },
  'qwen3-0.6b': { batch: 1, length: 256, config: { ...shared, model_type: 'qwen3', vocab_size: 151936, hidden_size: 1024, intermediate_size: 3072, num_hidden_layers: 28, num_attention_heads: 16, num_key_value_heads: 8, head_dim: 128 } },
};
