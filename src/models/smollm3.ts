// SmolLM3: Llama in which some layers do not turn queries and keys (NoPE, Yang et al. 2025): those with a 0 in
// `no_rope_layers`, or every `no_rope_layer_interval`-th (4) where the list is missing. Windows, where used, are in those.

import { type ConfigJson, boolean, integer, positive } from './config.ts';
import { llamaLike } from './llama.ts';
import type { Architecture } from './architecture.ts';

function rotates(config: ConfigJson, layer: number): boolean {
  const list = config['no_rope_layers'];
  if (Array.isArray(list)) return Boolean(list[layer] ?? 1);
  return (layer + 1) % positive(config, 'no_rope_layer_interval', 4) !== 0;
}

function window(config: ConfigJson, layer: number): number {
  const types = config['layer_types'], size = config['sliding_window'] == null ? 0 : integer(config, 'sliding_window');
  if (!boolean(config, 'use_sliding_window', false)) return 0;
  return (Array.isArray(types) ? types[layer] === 'sliding_attention' : !rotates(config, layer)) ? size : 0;
}

export const smollm3: Architecture = llamaLike({
  modelType: 'smollm3',
  className: 'SmolLM3ForCausalLM',
  qkvBias: (config) => boolean(config, 'attention_bias', false),
  outputBias: (config) => boolean(config, 'attention_bias', false),
  qkNorm: false,
  window,
  rotates,
  settings: (config) => ({
    no_rope_layers: Array.from({ length: positive(config, 'num_hidden_layers') }, (_, i) => (rotates(config, i) ? 1 : 0)),
    use_sliding_window: boolean(config, 'use_sliding_window', false), sliding_window: config['sliding_window'] ?? null,
  }),
});
