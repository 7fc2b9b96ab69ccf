// A model as the house sees it, whatever files it came from: a Hugging Face configuration, weights under
// Hugging Face's tensor names, and the tokenizer's files.

import type { TokenizerConfig } from '../../tokenizer/tokenizer-json.ts';
import type { PeftAdapter } from './peft.ts';
import type { TensorSource } from './tensor-source.ts';

/** config.json: `model_type` says which architecture; the rest belongs to it. */
export interface ModelConfig { readonly model_type: string; readonly [field: string]: unknown }

export interface ModelFiles {
  /** The folder or file it was read from. */
  readonly path: string;
  readonly config: ModelConfig;
  readonly weights: TensorSource;
  /** What is to be put onto the weights: those of a checkpoint of adapters are its base's. */
  readonly adapter?: PeftAdapter;
  /** Content of tokenizer.json: text as in the folder, or built from a GGUF file. */
  readonly tokenizerJson: string | object | undefined;
  readonly tokenizerConfig: TokenizerConfig;
  readonly generationConfig: Readonly<Record<string, unknown>>;
  /** The default chat template. */
  readonly chatTemplate: string | undefined;
  /** All chat templates by name; "default" is the default one. */
  readonly chatTemplates: ReadonlyMap<string, string>;
  close(): void;
}
