// Every architecture: one line each.

import { TiefsucheError } from '../errors.ts';
import type { Architecture } from './architecture.ts';
import { deepseekV2 } from './deepseek-v2.ts';
import { deepseekV3 } from './deepseek-v3.ts';
import { gemma3Text } from './gemma3-text.ts';
import { llama } from './llama.ts';
import { mistral } from './mistral.ts';
import { qwen2 } from './qwen2.ts';
import { qwen3 } from './qwen3.ts';
import { qwen3Moe } from './qwen3-moe.ts';
import { smollm3 } from './smollm3.ts';

export const architectures: readonly Architecture[] = [deepseekV2, deepseekV3, gemma3Text, llama, mistral, qwen2, qwen3, qwen3Moe, smollm3];

export function architectureOf(modelType: unknown): Architecture {
  const found = architectures.find((a) => a.modelType === modelType);
  if (!found) {
    throw new TiefsucheError('UNSUPPORTED', `models of type ${JSON.stringify(modelType)} are not supported`, { hint: `Known types: ${architectures.map((a) => a.modelType).join(', ')}.` });
  }
  return found;
}
