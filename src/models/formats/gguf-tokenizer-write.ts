// A tokenizer.json as the keys of a GGUF file, the way back of gguf-tokenizer.ts. llama.cpp knows two things about text:
// byte-level BPE by the name of its pre-tokenizer, and tokens found as they stand (user-defined). So
//   byte-level tokenizers are written as they are, if their pre-tokenizer is one llama.cpp has a name for;
//   SentencePiece-like ones (byte fallback) get scores in place of merges (gguf-sentencepiece.ts);
//   character-level ones (no merges) become byte-level without merges: ASCII characters under their byte's letter, all
//     others found as they stand. Characters outside the vocabulary are then dropped, where ours gives the unknown token.
// llama.cpp takes id 11 for the end where a file names none, so the end token is always written.
// Source: llama.cpp src/llama-vocab.cpp and gguf-py (token types), read, not copied.

import { TiefsucheError } from '../../errors.ts';
import { byteCharacters } from '../../tokenizer/byte-alphabet.ts';
import { preTokenizers } from '../../tokenizer/pre-tokenizers.ts';
import { tokenText, type StepJson, type TokenizerJson } from '../../tokenizer/tokenizer-json.ts';
import type { Tokenizer } from '../../tokenizer/tokenizer.ts';
import { isBytePiece, sentencePiecePrefix, sentencePieceScores } from './gguf-sentencepiece.ts';
import type { TypedValue } from './gguf-build.ts';

const normalType = 1, unknownType = 2, controlType = 3, userDefinedType = 4, unusedType = 5, byteType = 6;

const refuse = (what: string): never => {
  throw new TiefsucheError('UNSUPPORTED', `the tokenizer ${what}, which a GGUF file cannot say`, { hint: 'Export with --to hf; transformers, vLLM and mlx-lm read the tokenizer as it is.' });
};

/** Steps without what does not change ids. */
function essence(step: StepJson | null): unknown {
  if (step === null) return null;
  if (step.type === 'Sequence') return ((step['pretokenizers'] ?? step['normalizers']) as StepJson[]).map(essence);
  const { trim_offsets: _, ...rest } = step;
  return JSON.stringify(rest, Object.keys(rest).sort().concat('Regex', 'String'));
}

const steps = (json: Pick<TokenizerJson, 'normalizer' | 'pre_tokenizer'>, ignoreMerges: boolean): string => JSON.stringify([essence(json.normalizer), essence(json.pre_tokenizer), ignoreMerges]);

/** The name llama.cpp has for a byte-level tokenizer's pre-tokenizer. */
function preTokenizerName(json: TokenizerJson): string {
  const wanted = steps(json, json.model.ignore_merges === true);
  for (const [name, known] of preTokenizers) if (steps(known, known.ignoreMerges) === wanted) return name;
  return refuse(`cuts text by rules that llama.cpp has no name for (known: ${[...preTokenizers.keys()].join(', ')})`);
}

/** Whether every character is a token and nothing is merged. */
export const isCharacterLevel = (json: TokenizerJson): boolean => json.model.merges.length === 0 && json.pre_tokenizer === null && json.normalizer === null && json.decoder?.type !== 'ByteLevel';

/**
 * The keys of a tokenizer.
 * @param rows of the embedding: more rows than tokens are filled with unused ones
 * @param stops ids that end an answer
 */
export function ggufTokenizerKeys(tokenizer: Tokenizer, rows: number, stops: readonly number[], chatTemplate: string | undefined): Map<string, TypedValue> {
  const { json } = tokenizer, characters = isCharacterLevel(json);
  if (tokenizer.vocabSize > rows) throw new TiefsucheError('SHAPE', `the tokenizer has ${tokenizer.vocabSize} tokens, the embedding ${rows} rows`, { hint: 'tokenizer.json and the weights do not belong together.' });
  const prefix = sentencePiecePrefix(json), pieces = prefix !== null;
  if (!characters && !pieces && json.decoder?.type !== 'ByteLevel') refuse('is neither byte-level nor by characters nor like SentencePiece');
  const pre = pieces ? 'default' : characters ? 'gpt-2' : preTokenizerName(json), alphabet = byteCharacters;
  const tokens: string[] = Array.from({ length: rows }, (_, i) => `[PAD${i}]`), types = new Array<number>(rows).fill(unusedType);
  for (const [token, id] of Object.entries(json.model.vocab)) {
    const code = token.codePointAt(0)!, ascii = code < 128;
    tokens[id] = characters && ascii && [...token].length === 1 ? alphabet[code]! : token;
    types[id] = pieces && isBytePiece(token) ? byteType : characters && !(ascii && [...token].length === 1) ? userDefinedType : normalType;
  }
  for (const { id, content, special } of json.added_tokens ?? []) { tokens[id] = content; types[id] = special ? controlType : userDefinedType; }
  const unknown = json.model.unk_token;
  if (pieces && typeof unknown === 'string') types[json.model.vocab[unknown]!] = unknownType;
  const seen = new Set(tokens);
  if (seen.size !== rows) refuse('has two tokens with one text');

  const separator = tokenText(tokenizer.config['sep_token']), sep = separator === undefined ? undefined : tokenizer.tokenToId(separator);
  const { bos, eos, pad, unk } = tokenizer.specialTokens, end = eos ?? stops[0] ?? pad, others = stops.filter((id) => id !== end);
  if (end === undefined) refuse('names no token that ends an answer');
  const frame = tokenizer.encode('', { addSpecialTokens: true }), u32 = (value: number): TypedValue => ({ type: 'u32', value });
  return new Map<string, TypedValue>([
    ['tokenizer.ggml.model', { type: 'string', value: pieces ? 'llama' : 'gpt2' }], ['tokenizer.ggml.pre', { type: 'string', value: pre }],
    ['tokenizer.ggml.tokens', { type: 'array', of: 'string', value: tokens }], ['tokenizer.ggml.token_type', { type: 'array', of: 'i32', value: types }],
    pieces ? ['tokenizer.ggml.scores', { type: 'array', of: 'f32', value: sentencePieceScores(json.model, rows) }] as const
      : ['tokenizer.ggml.merges', { type: 'array', of: 'string', value: json.model.merges.map((m) => (typeof m === 'string' ? m : m.join(' '))) }] as const,
    ['tokenizer.ggml.bos_token_id', u32(bos ?? end!)], ['tokenizer.ggml.eos_token_id', u32(end!)],
    ...(others.length > 0 ? [['tokenizer.ggml.eot_token_id', u32(others[0]!)] as const] : []),
    ...(pad === undefined ? [] : [['tokenizer.ggml.padding_token_id', u32(pad)] as const]), ...(unk === undefined ? [] : [['tokenizer.ggml.unknown_token_id', u32(unk)] as const]),
    ...(sep === undefined ? [] : [['tokenizer.ggml.seperator_token_id', u32(sep)] as const]), // spelt like this in llama.cpp
    ['tokenizer.ggml.add_bos_token', { type: 'bool', value: bos !== undefined && frame[0] === bos }],
    ['tokenizer.ggml.add_eos_token', { type: 'bool', value: eos !== undefined && frame.at(-1) === eos && (frame.length > 1 || bos !== eos) }],
    ['tokenizer.ggml.add_space_prefix', { type: 'bool', value: prefix === true }],
    ...(chatTemplate === undefined ? [] : [['tokenizer.chat_template', { type: 'string', value: chatTemplate }] as const]),
  ]);
}
