// Trains a byte-level BPE vocabulary: special tokens first, then the 256 bytes, then one token per merge.
// Texts are cut by a pre-tokenizer llama.cpp knows; pieces are counted; the most frequent pair of neighbours is merged
// until the vocabulary is full. Equal counts are decided by the lower ids, so the same texts give the same bytes.
// Own code: the npm library's train() takes no vocabulary size and no special tokens.

import tokenizers from 'tokenizers';
import { TiefsucheError } from '../errors.ts';
import { byteCharacters } from './byte-alphabet.ts';
import type { TokenizerFiles } from './char-tokenizer.ts';
import { learnMerges } from './learn-merges.ts';
import { byteLevelDecoder, preTokenizers } from './pre-tokenizers.ts';
import { addedToken, emptyVocab, type TokenizerJson } from './tokenizer-json.ts';

export interface TrainOptions {
  readonly vocabSize: number;
  /** Ids from 0, in this order. */
  readonly specialTokens?: readonly string[];
  /** Which of them end, begin and pad. */
  readonly roles?: { readonly bos?: string; readonly eos?: string; readonly pad?: string; readonly unk?: string };
  /** A name of `preTokenizers`; smollm cuts numbers into single digits. */
  readonly preTokenizer?: string;
  /** A pair must occur at least so often. */
  readonly minFrequency?: number;
  readonly chatTemplate?: string;
  readonly maxLength?: number;
}

export interface TrainedTokenizer extends TokenizerFiles {
  /** Pieces counted and characters read. */
  readonly distinctPieces: number;
  readonly characters: number;
}

// Longer texts are counted part by part, to bound the memory of one call of the library.
const longestText = 1 << 20;

/** Trains on texts, in any order; the result depends on their content only. */
export async function trainTokenizer(texts: Iterable<string> | AsyncIterable<string>, options: TrainOptions): Promise<TrainedTokenizer> {
  const name = options.preTokenizer ?? 'smollm', steps = preTokenizers.get(name);
  if (!steps) {
    throw new TiefsucheError('CONFIG', `there is no pre-tokenizer ${JSON.stringify(name)}`, { hint: `Use one of ${[...preTokenizers.keys()].join(', ')}.` });
  }
  const specials = options.specialTokens ?? [], smallest = specials.length + 256;
  if (!Number.isInteger(options.vocabSize) || options.vocabSize < smallest || options.vocabSize > 1 << 21) {
    throw new TiefsucheError('CONFIG', `a vocabulary of ${options.vocabSize} cannot be trained`,
      { hint: `It must hold the ${specials.length} special tokens and the 256 bytes: ${smallest} to ${1 << 21}.` });
  }
  if (new Set(specials).size !== specials.length) throw new TiefsucheError('CONFIG', 'a special token is given twice', { hint: 'Give every token once.' });
  const empty = tokenizerJson(steps, specials, [], []);
  const library = tokenizers.Tokenizer.fromString(JSON.stringify(empty));
  const normalizer = library.getNormalizer(), cutter = library.getPreTokenizer()!;
  const pieces = new Map<string, number>();
  let characters = 0;
  for await (const text of texts) {
    characters += text.length;
    for (let at = 0, end = 0; at < text.length; at = end) {
      end = at + longestText;
      // Not between the halves of a surrogate pair.
      if ((text.charCodeAt(end) & 0xfc00) === 0xdc00) end++;
      const part = text.slice(at, end).replace(/\p{Surrogate}/gu, '\ufffd');
      for (const [piece] of cutter.preTokenizeString(normalizer ? normalizer.normalizeString(part) : part)) {
        pieces.set(piece, (pieces.get(piece) ?? 0) + 1);
      }
    }
  }
  const base = byteCharacters.slice().sort(), merges = learnMerges(pieces, base, options.vocabSize - smallest, options.minFrequency ?? 2, new Set(specials));
  const roles = options.roles ?? {};
  return {
    tokenizerJson: tokenizerJson(steps, specials, base, merges),
    tokenizerConfig: {
      ...(roles.bos === undefined ? {} : { bos_token: roles.bos }), ...(roles.eos === undefined ? {} : { eos_token: roles.eos }),
      ...(roles.pad === undefined ? {} : { pad_token: roles.pad }), ...(roles.unk === undefined ? {} : { unk_token: roles.unk }),
      ...(options.chatTemplate === undefined ? {} : { chat_template: options.chatTemplate }),
      clean_up_tokenization_spaces: false, model_max_length: options.maxLength ?? 2048, tokenizer_class: 'PreTrainedTokenizerFast',
    },
    distinctPieces: pieces.size, characters,
  };
}

function tokenizerJson(steps: { readonly normalizer: TokenizerJson['normalizer']; readonly pre_tokenizer: TokenizerJson['pre_tokenizer']; readonly ignoreMerges: boolean },
  specials: readonly string[], base: readonly string[], merges: readonly (readonly [string, string])[]): TokenizerJson {
  const vocab = emptyVocab();
  let id = 0;
  for (const token of [...specials, ...base, ...merges.map(([a, b]) => a + b)]) vocab[token] = id++;
  return {
    version: '1.0', truncation: null, padding: null,
    added_tokens: specials.map((token, i) => addedToken(i, token, true)),
    normalizer: steps.normalizer, pre_tokenizer: steps.pre_tokenizer, post_processor: null, decoder: byteLevelDecoder,
    model: {
      type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false,
      byte_fallback: false, ignore_merges: steps.ignoreMerges, vocab, merges: merges.map(([a, b]) => `${a} ${b}`),
    },
  };
}
