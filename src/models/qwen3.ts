// Qwen3: Llama with RMSNorm on each head of q and k before the rotation.

import { boolean } from './config.ts';
import { layerWindow, llamaLike } from './llama.ts';
import type { Architecture } from './architecture.ts';

export const qwen3: Architecture = llamaLike({
  modelType: 'qwen3',
  className: 'Qwen3ForCausalLM',
  qkvBias: (config) => boolean(config, 'attention_bias', false),
  outputBias: (config) => boolean(config, 'attention_bias', false),
  qkNorm: true,
  window: layerWindow,
});
