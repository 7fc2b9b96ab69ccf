// A character-level tokenizer as a tokenizer.json that Hugging Face's tokenizers and transformers load:
// a BPE model without merges (every character is a token), no pre-tokenizer, and a decoder that only joins.

import { invariant, TiefsucheError } from '../errors.ts';
import { addedToken, emptyVocab, type TokenizerConfig, type TokenizerJson } from './tokenizer-json.ts';

/** The special tokens of a vocabulary, in id order, and their roles. */
export interface SpecialLayout {
  readonly tokens: readonly string[];
  readonly bos?: string;
  readonly eos?: string;
  readonly pad?: string;
  readonly unk?: string;
  readonly sep?: string;
  /**
   * Are special tokens recognised inside texts? If so they are added tokens. If not, as for one-letter names that may
   * stand in a text, only their roles are known, and encoding never gives their ids.
   */
  readonly inText?: boolean;
}

export interface TokenizerFiles { readonly tokenizerJson: TokenizerJson; readonly tokenizerConfig: TokenizerConfig }

/** A vocabulary of special tokens (ids from 0) followed by `chars`, one token per character. */
export function charTokenizer(chars: readonly string[], specials: SpecialLayout, config: TokenizerConfig = {}): TokenizerFiles {
  const vocab = emptyVocab();
  for (const token of [...specials.tokens, ...chars]) {
    invariant(!(token in vocab), `the token ${JSON.stringify(token)} is given twice`);
    vocab[token] = Object.keys(vocab).length;
  }
  for (const c of chars) invariant([...c].length === 1, `${JSON.stringify(c)} is not one character`);
  const roles = { bos_token: specials.bos, eos_token: specials.eos, pad_token: specials.pad, unk_token: specials.unk, sep_token: specials.sep };
  const set = Object.fromEntries(Object.entries(roles).filter((entry): entry is [string, string] => entry[1] !== undefined));
  for (const token of Object.values(set)) invariant(specials.tokens.includes(token), `${token} has a role but is not a special token`);
  return {
    tokenizerJson: {
      version: '1.0', truncation: null, padding: null,
      added_tokens: specials.inText === false ? [] : specials.tokens.map((t, id) => addedToken(id, t, true)),
      normalizer: null, pre_tokenizer: null, post_processor: null, decoder: { type: 'Fuse' },
      model: {
        type: 'BPE', dropout: null, unk_token: specials.unk ?? null, continuing_subword_prefix: null, end_of_word_suffix: null,
        fuse_unk: false, byte_fallback: false, ignore_merges: false, vocab, merges: [],
      },
    },
    tokenizerConfig: { ...set, clean_up_tokenization_spaces: false, tokenizer_class: 'PreTrainedTokenizerFast', ...config },
  };
}

/**
 * The tokenizer of verl's and TinyZero's digit completion models, which ship only `char_ords` in tokenizer_config.json:
 * S (separator) 0, E (end) 1, P (padding) 2, U (unknown) 3, then the characters.
 */
export function digitCompletionTokenizer(tokenizerConfig: TokenizerConfig): TokenizerFiles {
  const ords = tokenizerConfig['char_ords'];
  if (!Array.isArray(ords) || !ords.every((o) => Number.isInteger(o) && o >= 0 && o <= 0x10ffff)) {
    throw new TiefsucheError('FORMAT', 'tokenizer_config.json has no char_ords list of code points',
      { hint: 'Only digit completion models of verl and TinyZero come without a tokenizer.json.' });
  }
  const { char_ords: _, ...rest } = tokenizerConfig;
  return charTokenizer((ords as number[]).map((o) => String.fromCodePoint(o)),
    { tokens: ['S', 'E', 'P', 'U'], sep: 'S', eos: 'E', pad: 'P', unk: 'U' }, rest);
}
