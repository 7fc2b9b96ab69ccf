// Qwen3 with experts: attention as in qwen3.ts; layers have routed experts (softmax over all, the K best, their weights
// normalised where `norm_topk_prob`) except those of `mlp_only_layers` and those that `decoder_sparse_step` skips.

import { type ConfigJson, boolean, integer, positive } from './config.ts';
import { layerWindow, llamaLike } from './llama.ts';
import { expertSpecs, routedExperts } from './experts.ts';
import type { Architecture } from './architecture.ts';

// transformers' defaults, those of its first model
const sizes = (config: ConfigJson) => ({
  count: integer({ n: config['num_experts'] ?? config['num_local_experts'] }, 'n', 128), topk: positive(config, 'num_experts_per_tok', 8),
  hidden: positive(config, 'moe_intermediate_size', 768), step: positive(config, 'decoder_sparse_step', 1), normalise: boolean(config, 'norm_topk_prob', false),
  plain: Array.isArray(config['mlp_only_layers']) ? config['mlp_only_layers'] as readonly unknown[] : [],
});

export const qwen3Moe: Architecture = llamaLike({
  modelType: 'qwen3_moe',
  className: 'Qwen3MoeForCausalLM',
  qkvBias: (config) => boolean(config, 'attention_bias', false),
  outputBias: (config) => boolean(config, 'attention_bias', false),
  qkNorm: true,
  window: layerWindow,
  experts: {
    has: (config, layer) => { const { count, step, plain } = sizes(config); return count > 0 && (layer + 1) % step === 0 && !plain.includes(layer); },
    count: (config) => sizes(config).count,
    specs: (config, prefix, C, init) => expertSpecs(prefix, { C, ...sizes(config) }, init),
    forward: (context, config, prefix, layer, h) => {
      const { topk, normalise } = sizes(config);
      return routedExperts(context, prefix, layer, h, null, { topk, groups: 1, topkGroup: 1, normalise, scale: 1, score: 'softmax', maskedScore: 'neg_inf' });
    },
  },
  settings: (config) => {
    const { count, topk, hidden, step, normalise, plain } = sizes(config);
    return { num_experts: count, num_experts_per_tok: topk, moe_intermediate_size: hidden, decoder_sparse_step: step, norm_topk_prob: normalise, mlp_only_layers: plain };
  },
});
