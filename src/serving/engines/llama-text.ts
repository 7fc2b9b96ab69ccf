// The words of a GGUF file as llama.cpp reads them: it encodes, the bytes of each token are taken from the file's own
// list. So every tokenizer that llama.cpp knows can be served, with the same sampler, masks and templates as ours.

import { compileChatTemplate } from '../../tokenizer/chat-template.ts';
import { bytesOfToken } from '../../tokenizer/byte-alphabet.ts';
import { type StreamDecoder, streamDecoder } from '../../tokenizer/stream-decoder.ts';
import type { Tokenizer } from '../../tokenizer/tokenizer.ts';
import type { TokenizerConfig, TokenizerJson } from '../../tokenizer/tokenizer-json.ts';
import type { TextSide } from '../../models/language-model.ts';

/** What we read of `tokenizer` in a GGUF file's metadata. */
export interface GgufWords {
  readonly chat_template?: string;
  readonly ggml: {
    readonly model: string; readonly tokens: readonly string[]; readonly token_type?: readonly number[];
    readonly add_bos_token?: boolean; readonly add_eos_token?: boolean;
    readonly bos_token_id?: number; readonly eos_token_id?: number; readonly eot_token_id?: number; readonly padding_token_id?: number; readonly unknown_token_id?: number;
  };
}

const [unknown, control, userDefined, byte] = [2, 3, 4, 6];
const utf8 = new TextEncoder();

/** Bytes of a token: byte-level alphabets map every byte to a character, the others write a space as ▁ and bytes as <0x0A>. */
function bytesOf(token: string, type: number | undefined, model: string): Uint8Array {
  if (type === control || type === userDefined || type === unknown) return utf8.encode(token);
  if (model === 'gpt2') return bytesOfToken(token) ?? utf8.encode(token);
  const hex = /^<0x([0-9A-Fa-f]{2})>$/.exec(token)?.[1];
  if (type === byte && hex !== undefined) return Uint8Array.of(Number.parseInt(hex, 16));
  return utf8.encode(token.replaceAll('\u2581', ' '));
}

export function llamaText({ chat_template: chatTemplate, ggml }: GgufWords, encode: (text: string, specials: boolean) => readonly number[]): TextSide {
  const { tokens, token_type: types, model } = ggml, ids = new Map(tokens.map((t, id) => [t, id])), bytes: Uint8Array[] = [];
  const of = (id: number): Uint8Array => (tokens[id] === undefined ? new Uint8Array() : bytes[id] ??= bytesOf(tokens[id], types?.[id], model));
  const added = tokens.flatMap((content, id) => ([control, userDefined, unknown].includes(types?.[id] ?? 0) ? [{ id, content, special: types?.[id] !== userDefined, single_word: false, lstrip: false, rstrip: false, normalized: false }] : []));
  // SentencePiece writes a space before the first word.
  const stream = (): StreamDecoder => streamDecoder(of, model !== 'gpt2');
  const named = (id: number | undefined): string | undefined => (id === undefined ? undefined : tokens[id]);
  const config = { bos_token: named(ggml.bos_token_id), eos_token: named(ggml.eos_token_id), pad_token: named(ggml.padding_token_id), unk_token: named(ggml.unknown_token_id) } as TokenizerConfig;
  const tokenizer: Tokenizer = {
    vocabSize: tokens.length, config, json: { added_tokens: added } as unknown as TokenizerJson, specialIds: new Set(added.filter((t) => t.special).map((t) => t.id)),
    specialTokens: { bos: ggml.bos_token_id, eos: ggml.eos_token_id, pad: ggml.padding_token_id, unk: ggml.unknown_token_id },
    encode: (text, options) => Int32Array.from(encode(text, options?.addSpecialTokens ?? false)),
    encodeBatch: (texts, options) => Promise.resolve(texts.map((t) => Int32Array.from(encode(t, options?.addSpecialTokens ?? false)))),
    decode: (all) => new TextDecoder().decode(Buffer.concat(Array.from(all, of))),
    tokenToId: (token) => ids.get(token), idToToken: (id) => tokens[id], bytesOf: of, stream,
  };
  const ends = [ggml.eos_token_id, ggml.eot_token_id, ids.get('<|im_end|>'), ids.get('<end_of_turn>'), ids.get('<|eot_id|>')].filter((id): id is number => id !== undefined);
  const variables = { bos_token: config['bos_token'] ?? '', eos_token: config['eos_token'] ?? '' };
  return { tokenizer, chatTemplate, template: chatTemplate === undefined ? null : compileChatTemplate(chatTemplate, variables), generationConfig: { eos_token_id: [...new Set(ends)] } };
}
