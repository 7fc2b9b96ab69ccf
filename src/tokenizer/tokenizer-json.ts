// The parts of a Hugging Face tokenizer.json and tokenizer_config.json that we read and write.
// Source: huggingface/tokenizers serialisation; the normalizer, pre_tokenizer and decoder are passed to that library.

export interface AddedTokenJson {
  readonly id: number;
  readonly content: string;
  readonly single_word: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  readonly normalized: boolean;
  readonly special: boolean;
}

export interface BpeModelJson {
  readonly type: 'BPE';
  readonly dropout?: number | null;
  readonly unk_token?: string | null;
  readonly continuing_subword_prefix?: string | null;
  readonly end_of_word_suffix?: string | null;
  readonly fuse_unk?: boolean;
  readonly byte_fallback?: boolean;
  readonly ignore_merges?: boolean;
  readonly vocab: Readonly<Record<string, number>>;
  /** "left right", or [left, right] since tokenizers 0.20. */
  readonly merges: readonly (string | readonly [string, string])[];
}

/** A step of a pipeline as the library serialises it; only `type` is common to all. */
export type StepJson = { readonly type: string } & { readonly [field: string]: unknown };

export interface TokenizerJson {
  readonly version: string;
  readonly truncation: unknown;
  readonly padding: unknown;
  readonly added_tokens: readonly AddedTokenJson[];
  readonly normalizer: StepJson | null;
  readonly pre_tokenizer: StepJson | null;
  readonly post_processor: StepJson | null;
  readonly decoder: StepJson | null;
  readonly model: BpeModelJson;
}

/** tokenizer_config.json. Special tokens are strings, or added tokens written out. */
export interface TokenizerConfig { readonly [field: string]: unknown }

/** A special token's text: the config holds it plain, or as an object with `content`. */
export function tokenText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'object' && value !== null && 'content' in value && typeof value.content === 'string') return value.content;
  return undefined;
}

/** An added token with the usual flags. */
export function addedToken(id: number, content: string, special: boolean): AddedTokenJson {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special };
}

/** An empty dictionary whose keys can be any token, "__proto__" too. */
export const emptyVocab = (): Record<string, number> => Object.create(null) as Record<string, number>;
