// Qwen2 and Qwen2.5, and the R1 distillates on them: Llama with biases on q, k and v.

import { layerWindow, llamaLike } from './llama.ts';
import type { Architecture } from './architecture.ts';

export const qwen2: Architecture = llamaLike({
  modelType: 'qwen2',
  className: 'Qwen2ForCausalLM',
  qkvBias: () => true,
  outputBias: () => false,
  qkNorm: false,
  window: layerWindow,
});
