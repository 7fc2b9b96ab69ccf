// Mistral: Llama in which every layer sees a sliding window (`sliding_window`; null, as in later models, is all positions).

import { integer } from './config.ts';
import { llamaLike } from './llama.ts';
import type { Architecture } from './architecture.ts';
import type { ConfigJson } from './config.ts';

/** What transformers takes where config.json does not say: the window of Mistral 7B v0.1. */
const firstWindow = 4096;
const windowOf = (config: ConfigJson): number => (config['sliding_window'] === null ? 0 : integer(config, 'sliding_window', firstWindow));

export const mistral: Architecture = llamaLike({
  modelType: 'mistral',
  className: 'MistralForCausalLM',
  qkvBias: () => false,
  outputBias: () => false,
  qkNorm: false,
  window: windowOf,
  settings: (config) => ({ sliding_window: windowOf(config) || null }),
});
