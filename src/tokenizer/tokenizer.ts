// A tokenizer from a Hugging Face tokenizer.json: text to ids and back, at once and without promises.
// The npm library `tokenizers` (the Rust one) normalises, pre-tokenises and decodes; merging is our own (bpe-model.ts).
// BPE models only: byte-level (GPT-2, Llama 3, Qwen, SmolLM, DeepSeek), byte-fallback (Llama 2) and character-level.

import tokenizers from 'tokenizers';
import { TiefsucheError } from '../errors.ts';
import { addedTokenSplitter } from './added-tokens.ts';
import { bpeModel } from './bpe-model.ts';
import { bytesOfToken } from './byte-alphabet.ts';
import { frameOf } from './post-processor.ts';
import { streamDecoder, type StreamDecoder } from './stream-decoder.ts';
import { tokenText, type StepJson, type TokenizerConfig, type TokenizerJson } from './tokenizer-json.ts';

export interface SpecialTokens {
  readonly bos: number | undefined;
  readonly eos: number | undefined;
  readonly pad: number | undefined;
  readonly unk: number | undefined;
}

export interface EncodeOptions {
  /** Put BOS, EOS, ... around the text as the tokenizer says. Off unless asked for: chat templates write their own. */
  readonly addSpecialTokens?: boolean;
}

export interface Tokenizer {
  /** Highest id + 1. A model's embedding may have more rows. */
  readonly vocabSize: number;
  readonly specialTokens: SpecialTokens;
  /** Ids of all added tokens marked special. */
  readonly specialIds: ReadonlySet<number>;
  readonly json: TokenizerJson;
  readonly config: TokenizerConfig;
  encode(text: string, options?: EncodeOptions): Int32Array;
  /** Many texts on the library's threads; the same ids as `encode`. */
  encodeBatch(texts: readonly string[], options?: EncodeOptions): Promise<Int32Array[]>;
  /** Text of ids; special tokens are kept unless `skipSpecial`. Ids outside the vocabulary give nothing. */
  decode(ids: ArrayLike<number>, options?: { readonly skipSpecial?: boolean }): string;
  tokenToId(token: string): number | undefined;
  idToToken(id: number): string | undefined;
  /** The bytes a token adds to the text; empty for an id outside the vocabulary. */
  bytesOf(id: number): Uint8Array;
  /** A decoder for one stream of sampled ids that never gives half a character. */
  stream(options?: { readonly skipSpecial?: boolean }): StreamDecoder;
}

/** Builds a tokenizer from the content of tokenizer.json (text or parsed) and tokenizer_config.json. */
export function loadTokenizer(tokenizerJson: string | object, config: TokenizerConfig = {}): Tokenizer {
  const text = typeof tokenizerJson === 'string' ? tokenizerJson : JSON.stringify(tokenizerJson);
  const { json, library } = parse(text);
  const model = bpeModel(json.model);
  const added = json.added_tokens ?? [];
  const idOf = new Map(model.vocab), tokenOf: string[] = [];
  for (const [token, id] of model.vocab) tokenOf[id] = token;
  for (const { content, id } of added) { idOf.set(content, id); tokenOf[id] = content; }
  const addedIds = new Set(added.map((t) => t.id));
  const specialIds: ReadonlySet<number> = new Set(added.filter((t) => t.special).map((t) => t.id));

  const normalizer = library.getNormalizer(), preTokenizer = library.getPreTokenizer(), decoder = library.getDecoder();
  const split = addedTokenSplitter(added, normalizer ? (s) => normalizer.normalizeString(s) : (s) => s);
  const frame = frameOf(json, config, (token) => idOf.get(token));
  const byteLevel = stepsOf(json.decoder, 'decoders').some((s) => s.type === 'ByteLevel');
  const bytesCache: Uint8Array[] = [];
  const bytesOf = (id: number): Uint8Array => {
    const token = tokenOf[id];
    if (token === undefined) return empty;
    return bytesCache[id] ??= addedIds.has(id) ? utf8.encode(token) : byteLevel ? bytesOfToken(token) ?? utf8.encode(token) : pieceBytes(token, json.decoder);
  };
  const named = (field: string): number | undefined => { const t = tokenText(config[field]); return t === undefined ? undefined : idOf.get(t); };
  return {
    vocabSize: tokenOf.length,
    json, config, specialIds,
    specialTokens: {
      bos: named('bos_token'), eos: named('eos_token'), pad: named('pad_token'),
      unk: named('unk_token') ?? (json.model.unk_token == null ? undefined : idOf.get(json.model.unk_token)),
    },
    encode(input, options) {
      const out: number[] = [];
      if (options?.addSpecialTokens) out.push(...frame.before);
      for (const stretch of split(wellFormed(input))) {
        if ('id' in stretch) out.push(stretch.id);
        else if (preTokenizer) for (const [piece] of preTokenizer.preTokenizeString(stretch.text)) model.encode(piece, out);
        else model.encode(stretch.text, out);
      }
      if (options?.addSpecialTokens) out.push(...frame.after);
      return Int32Array.from(out);
    },
    async encodeBatch(texts, options) {
      const encodings = texts.length === 0 ? [] : await library.encodeBatch(texts.map(wellFormed), { addSpecialTokens: false });
      const { before, after } = options?.addSpecialTokens ? frame : { before: [], after: [] };
      return encodings.map((e) => Int32Array.from([...before, ...e.getIds(), ...after]));
    },
    decode(ids, options) {
      const kept = Array.from(ids).filter((id) => tokenOf[id] !== undefined && !(options?.skipSpecial && specialIds.has(id)));
      if (!byteLevel && decoder) return decoder.decode(kept.map((id) => tokenOf[id]!));
      return lossyUtf8.decode(joinBytes(kept.map(bytesOf)));
    },
    tokenToId: (token) => idOf.get(token),
    idToToken: (id) => tokenOf[id],
    bytesOf,
    stream: (options) => streamDecoder((id) => (options?.skipSpecial && specialIds.has(id) ? empty : bytesOf(id)),
      stepsOf(json.decoder, 'decoders').some((s) => s.type === 'Strip')),
  };
}

const empty = new Uint8Array(0);
// Half a surrogate pair cannot be UTF-8.
const wellFormed = (text: string): string => text.replace(/\p{Surrogate}/gu, '\ufffd');
const utf8 = new TextEncoder();
const lossyUtf8 = new TextDecoder('utf-8', { ignoreBOM: true });

function parse(text: string): { json: TokenizerJson; library: InstanceType<typeof tokenizers.Tokenizer> } {
  const hint = 'Give the tokenizer.json of a Hugging Face folder; a tokenizer.model (SentencePiece) must be converted first.';
  let json: TokenizerJson;
  try { json = JSON.parse(text) as TokenizerJson; } catch (cause) {
    throw new TiefsucheError('FORMAT', `the tokenizer is not valid JSON (${(cause as Error).message})`, { hint, cause });
  }
  const kind: unknown = json?.model?.type ?? ((json?.model as object | undefined) && 'merges' in json.model ? 'BPE' : undefined);
  if (kind !== 'BPE') {
    throw new TiefsucheError(typeof kind === 'string' ? 'UNSUPPORTED' : 'FORMAT',
      typeof kind === 'string' ? `the tokenizer has a ${kind} model; only BPE is supported` : 'the file is not a tokenizer.json', { hint });
  }
  try {
    const library = tokenizers.Tokenizer.fromString(text);
    // Some published files still carry the limits of a training run; text must never be cut in silence.
    library.disableTruncation();
    library.disablePadding();
    return { json, library };
  } catch (cause) {
    throw new TiefsucheError('FORMAT', `the tokenizer cannot be read (${(cause as Error).message})`, { hint, cause });
  }
}

function stepsOf(step: StepJson | null, list: string): readonly StepJson[] {
  if (!step) return [];
  return step.type === 'Sequence' ? (step[list] as readonly StepJson[]).flatMap((s) => stepsOf(s, list)) : [step];
}

/** Bytes of a SentencePiece-like token: <0x0A> is a byte, the decoder's replacements (U+2581 to a space) are applied. */
function pieceBytes(token: string, decoder: StepJson | null): Uint8Array {
  const steps = stepsOf(decoder, 'decoders');
  const byte = /^<0x([0-9A-F]{2})>$/.exec(token)?.[1];
  if (byte !== undefined && steps.some((s) => s.type === 'ByteFallback')) return Uint8Array.of(parseInt(byte, 16));
  let text = token;
  for (const step of steps) {
    const pattern = (step['pattern'] as { String?: string } | undefined)?.String;
    if (step.type === 'Replace' && pattern !== undefined) text = text.replaceAll(pattern, () => String(step['content']));
    if (step.type === 'Metaspace') text = text.replaceAll('\u2581', ' ');
  }
  return utf8.encode(text);
}

function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) { all.set(part, at); at += part.length; }
  return all;
}
