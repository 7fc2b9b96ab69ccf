// The tokenizer inside a GGUF file as a tokenizer.json and tokenizer_config.json. Byte-level BPE ("gpt2"): vocabulary, merges
// and token types come from the file, the pre-tokenizer from the name in tokenizer.ggml.pre. SentencePiece BPE ("llama"):
// merges from the scores of the tokens (gguf-sentencepiece.ts).
// Source: llama.cpp gguf-py (key names, token types) and docs/gguf.md.

import { byteLevelDecoder, preTokenizers } from '../../tokenizer/pre-tokenizers.ts';
import { addedToken, emptyVocab, type AddedTokenJson, type StepJson, type TokenizerConfig, type TokenizerJson } from '../../tokenizer/tokenizer-json.ts';
import { formatError, quoted, unsupportedError } from './format-error.ts';
import { sentencePieceModel, sentencePieceSteps } from './gguf-sentencepiece.ts';
import type { GgufFile, GgufValue } from './gguf.ts';

const normalType = 1, unknownType = 2, controlType = 3, userDefinedType = 4;

export interface GgufTokenizer {
  readonly tokenizerJson: TokenizerJson;
  readonly tokenizerConfig: TokenizerConfig;
  readonly chatTemplate: string | undefined;
}

/** Builds the tokenizer files from a GGUF file's metadata. */
export function ggufTokenizer(file: Pick<GgufFile, 'path' | 'metadata'>): GgufTokenizer {
  const { path, metadata } = file;
  const get = (key: string): GgufValue | undefined => metadata.get(`tokenizer.ggml.${key}`);
  const kind = get('model');
  if (kind === undefined) throw formatError(path, 'it holds no tokenizer', 'Give the tokenizer.json of the model beside it.');
  if (kind !== 'gpt2' && kind !== 'llama') {
    throw unsupportedError(path, `its tokenizer is of the kind ${quoted(kind)}`, 'Byte-level BPE ("gpt2") and SentencePiece BPE ("llama") are read; for others, use the model\'s Hugging Face folder.');
  }
  const pieces = kind === 'llama', pre = get('pre') ?? 'default', steps = typeof pre === 'string' ? preTokenizers.get(pre) : undefined;
  if (!steps && !pieces) {
    throw unsupportedError(path, `its pre-tokenizer is ${quoted(pre)}, which we do not know`,
      `Known are ${[...preTokenizers.keys()].join(', ')}. Use the model's Hugging Face folder instead.`);
  }
  const tokens = strings(path, get('tokens'), 'tokenizer.ggml.tokens');
  const merges = pieces ? [] : strings(path, get('merges'), 'tokenizer.ggml.merges'), scores = pieces ? numbers(path, get('scores'), 'tokenizer.ggml.scores', tokens.length) : [];
  const types = get('token_type') === undefined ? undefined : integers(path, get('token_type'), 'tokenizer.ggml.token_type');
  if (types && types.length !== tokens.length) throw formatError(path, `it has ${tokens.length} tokens but ${types.length} token types`);

  const vocab = emptyVocab(), added: AddedTokenJson[] = [];
  tokens.forEach((token, id) => {
    if (token in vocab) throw formatError(path, `the token ${quoted(token)} has the ids ${vocab[token]} and ${id}`);
    vocab[token] = id;
    const type = types?.[id];
    if (type === controlType || type === unknownType || type === userDefinedType) added.push(addedToken(id, token, type !== userDefinedType));
  });
  for (const merge of merges) {
    const parts = merge.split(' ');
    if (parts.length !== 2 || !parts.every((p) => p in vocab) || !(parts.join('') in vocab)) {
      throw formatError(path, `the merge ${quoted(merge)} does not fit the vocabulary`);
    }
  }
  const special = (key: string): string | undefined => {
    const id = get(key);
    if (id === undefined) return undefined;
    const token = typeof id === 'number' ? tokens[id] : undefined;
    if (token === undefined) throw formatError(path, `tokenizer.ggml.${key} is ${quoted(id)}, not the id of a token`);
    return token;
  };
  const bos = special('bos_token_id'), eos = special('eos_token_id');
  const pad = special('padding_token_id'), unk = special('unknown_token_id'), sep = special('seperator_token_id'); // spelt like this in llama.cpp
  const addBos = get('add_bos_token') ?? (pieces ? true : undefined), prefix = get('add_space_prefix') !== false, addEos = get('add_eos_token');
  const template = metadata.get('tokenizer.chat_template');
  const config: Record<string, unknown> = { clean_up_tokenization_spaces: false, tokenizer_class: 'PreTrainedTokenizerFast' };
  for (const [name, text] of [['bos_token', bos], ['eos_token', eos], ['pad_token', pad], ['unk_token', unk], ['sep_token', sep]] as const) {
    if (text !== undefined) config[name] = text;
  }
  if (typeof addBos === 'boolean') config['add_bos_token'] = addBos;
  if (typeof addEos === 'boolean') config['add_eos_token'] = addEos;
  return {
    tokenizerJson: {
      version: '1.0', truncation: null, padding: null, added_tokens: added,
      ...(pieces ? sentencePieceSteps(prefix) : { normalizer: steps!.normalizer, pre_tokenizer: steps!.pre_tokenizer, decoder: byteLevelDecoder }),
      post_processor: postProcessor(addBos === true ? bos : undefined, addEos === true ? eos : undefined, vocab),
      model: pieces ? sentencePieceModel(tokens, scores, (id) => types === undefined || types[id] === normalType || types[id] === userDefinedType, unk) : {
        type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false,
        byte_fallback: false, ignore_merges: steps!.ignoreMerges, vocab, merges,
      },
    },
    tokenizerConfig: config,
    chatTemplate: typeof template === 'string' ? template : undefined,
  };
}

function postProcessor(bos: string | undefined, eos: string | undefined, vocab: Readonly<Record<string, number>>): StepJson | null {
  if (bos === undefined && eos === undefined) return null;
  const frame = (sequence: 'A' | 'B', type: number): unknown[] => [
    ...(bos === undefined ? [] : [{ SpecialToken: { id: bos, type_id: type } }]),
    { Sequence: { id: sequence, type_id: type } },
    ...(eos === undefined ? [] : [{ SpecialToken: { id: eos, type_id: type } }]),
  ];
  const special_tokens = Object.fromEntries([bos, eos].filter((t) => t !== undefined).map((t) => [t, { id: t, ids: [vocab[t]], tokens: [t] }]));
  return { type: 'TemplateProcessing', single: frame('A', 0), pair: [...frame('A', 0), ...frame('B', 1)], special_tokens };
}

function strings(path: string, value: GgufValue | undefined, key: string): readonly string[] {
  if (!Array.isArray(value) || !value.every((v): v is string => typeof v === 'string')) throw formatError(path, `${key} is not a list of strings`);
  return value;
}

function numbers(path: string, value: GgufValue | undefined, key: string, count: number): ArrayLike<number> {
  if (!(value instanceof Float32Array) || value.length !== count) throw formatError(path, `${key} is not a list of ${count} numbers`);
  return value;
}

function integers(path: string, value: GgufValue | undefined, key: string): Int32Array | Uint32Array {
  if (!(value instanceof Int32Array || value instanceof Uint32Array)) throw formatError(path, `${key} is not a list of 32-bit integers`);
  return value;
}
