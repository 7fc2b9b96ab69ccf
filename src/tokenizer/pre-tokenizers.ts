// Pre-tokenizers by the name llama.cpp gives them (GGUF key tokenizer.ggml.pre), as the steps of a tokenizer.json.
// They cut text into the pieces inside which BPE merges; a tokenizer we train uses one of them, so that it can be
// exported everywhere. Source: llama.cpp src/llama-vocab.cpp (names and expressions) and the models' tokenizer.json.

import type { StepJson } from './tokenizer-json.ts';

export interface PreTokenizer {
  readonly normalizer: StepJson | null;
  readonly pre_tokenizer: StepJson;
  /** A piece that is a token as a whole is taken as it is, even if no merges lead to it. */
  readonly ignoreMerges: boolean;
}

const byteLevel = (useRegex: boolean): StepJson => ({ type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: useRegex });
const split = (regex: string): StepJson => ({ type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false });
const sequence = (...pretokenizers: StepJson[]): StepJson => ({ type: 'Sequence', pretokenizers });
const bySplits = (...regexes: string[]): StepJson => sequence(...regexes.map(split), byteLevel(false));

const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
/** The expression of GPT-4 and its many descendants; `digits` is how many go together. */
const gpt4 = (digits: string): string =>
  `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
const nfc: StepJson = { type: 'NFC' };
const of = (pre_tokenizer: StepJson, normalizer: StepJson | null = null, ignoreMerges = false): PreTokenizer =>
  ({ normalizer, pre_tokenizer, ignoreMerges });

const smollm = of(sequence({ type: 'Digits', individual_digits: true }, byteLevel(true)));
const gpt2 = of(byteLevel(true));
const qwen2 = of(bySplits(gpt4('\\p{N}')), nfc);
const llamaBpe = of(bySplits(gpt4('\\p{N}{1,3}')), null, true);
const deepseekV3 = of(bySplits('\\p{N}{1,3}', '[一-龥\u3040-ゟ゠-ヿ]+',
  '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+'));
/** llama.cpp's fallback for files that do not say: not GPT-2's expression, but cut in four passes. */
const fallback = of(bySplits('[\\p{P}\\$\\+<=>\\^~\\|]+', "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)", '\\p{N}+', '[0-9][0-9][0-9]'));

/** By name. */
export const preTokenizers: ReadonlyMap<string, PreTokenizer> = new Map([
  ['smollm', smollm], ['gpt-2', gpt2], ['qwen2', qwen2], ['deepseek-r1-qwen', qwen2], ['llama-bpe', llamaBpe], ['llama3', llamaBpe],
  ['deepseek-v3', deepseekV3], ['default', fallback],
]);

/** What turns byte-level tokens back into text. */
export const byteLevelDecoder: StepJson = { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true };
