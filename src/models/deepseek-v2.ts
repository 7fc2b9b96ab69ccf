// DeepSeek-V2 (arXiv 2405.04434): V3 before its router. Scores are a softmax over all experts, a group counts as much as its
// best expert (`group_limited_greedy`; `greedy` has no groups), chosen weights are not normalised, no bias chooses, and there
// is no multi-token prediction.

import { type ConfigJson, expectValue, number, positive } from './config.ts';
import { deepseekLike } from './deepseek-v3.ts';
import type { Architecture } from './architecture.ts';

const methodOf = (config: ConfigJson): string => {
  expectValue(config, 'topk_method', ['greedy', 'group_limited_greedy']);
  return (config['topk_method'] ?? 'greedy') as string;
};

const base: Architecture = deepseekLike({
  modelType: 'deepseek_v2',
  className: 'DeepseekV2ForCausalLM',
  routerBias: false,
  route: (config) => {
    const limited = methodOf(config) === 'group_limited_greedy';
    return {
      groups: limited ? positive(config, 'n_group', 1) : 1, topkGroup: limited ? positive(config, 'topk_group', 1) : 1, bestOfGroup: 1,
      normalise: false, scale: number(config, 'routed_scaling_factor', 1), score: 'softmax', maskedScore: 'zero',
    };
  },
  settings: (config) => ({ norm_topk_prob: false, scoring_func: 'softmax', topk_method: methodOf(config), moe_layer_freq: 1 }),
});

export const deepseekV2: Architecture = {
  ...base,
  dimensions(config) {
    expectValue(config, 'scoring_func', ['softmax']);
    expectValue(config, 'norm_topk_prob', [false]);
    expectValue(config, 'moe_layer_freq', [1]);
    expectValue(config, 'num_nextn_predict_layers', [0]);
    methodOf(config);
    return base.dimensions(config);
  },
};
