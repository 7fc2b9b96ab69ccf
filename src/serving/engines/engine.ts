// What the server needs of an engine: it knows one model, answers conversations, and can be told to stop. The first
// event of an answer is `prompt` (the conversation was accepted and how long it is) or `refused`; then come pieces of
// text, and for every choice one `end`. Events are plain data: an engine lives in a worker thread.

import type { NoPooling, Pooling } from '../../models/pooling.ts';
import type { ChatMessage } from '../../tokenizer/chat-template.ts';
import type { FunctionCall, ToolDefinition } from '../tools/tool-format.ts';

export interface EngineDescription {
  /** Name of the engine, for /v1/models. */
  readonly engine: string;
  readonly architecture: string;
  /** Longest prompt plus answer, in tokens. */
  readonly context: number;
  readonly parameters: number;
  /** Weights as they are held. */
  readonly precision: string;
  /** Keys and values as they are held. */
  readonly cache: string;
  /** Whether the model was made to think before it answers. */
  readonly thinks: boolean;
  /** It was born on single problems: each question stands alone. */
  readonly singleTurn?: boolean;
  /** How it writes function calls; null: it does not. */
  readonly tools: string | null;
  /** How it makes vectors of texts and how long they are, or why it does not; null: it was not made for that. */
  readonly embedding: (Pooling & { readonly size: number }) | NoPooling | null;
  /** Sequences that are computed at once. */
  readonly slots: number;
  readonly machine: string;
  readonly energy: { readonly method: string; readonly grade: string; readonly covers: string; readonly formula: string };
}

export interface Sampling {
  readonly temperature: number;
  readonly topK: number; // 0: off
  readonly topP: number; // 1: off
  readonly minP: number; // 0: off
  readonly seed: number;
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
  /** Added to the logits of these ids. */
  readonly bias: readonly (readonly [id: number, value: number])[];
}

export interface EngineRequest {
  readonly messages: readonly ChatMessage[];
  /** Further names for the chat template. */
  readonly variables: Readonly<Record<string, unknown>>;
  readonly choices: number;
  /** Leaves the oldest turns of a conversation that is too long out, and says so. */
  readonly truncate: boolean;
  /** Null: as many as the context has room for. */
  readonly maxTokens: number | null;
  readonly stop: readonly string[];
  readonly sampling: Sampling;
  /** Null: none are wanted; else how many of the likeliest tokens come with each. */
  readonly topLogprobs: number | null;
  /** What the answer must be, once the thought is over; null: a text. */
  readonly format: { readonly type: 'json_object' } | { readonly type: 'json_schema'; readonly schema: unknown } | null;
  /** Functions that may be called, or must be. */
  readonly tools: {
    readonly definitions: readonly ToolDefinition[];
    readonly required: boolean;
    /** The one that must be called. */
    readonly only: string | null;
    readonly parallel: boolean;
  } | null;
  readonly thinking: {
    /** Null: as the model does by itself. */
    readonly enabled: boolean | null;
    /** Tokens after which a thought is closed; null: no bound. */
    readonly budget: number | null;
    /** Leaves the tags in the text and takes nothing apart. */
    readonly raw: boolean;
  };
}

export interface TokenLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[];
}

export interface TokenLogprobs extends TokenLogprob {
  readonly top_logprobs: readonly TokenLogprob[];
}

export interface Piece {
  readonly type: 'piece';
  readonly choice: number;
  readonly thinking: string;
  readonly content: string;
  /** Of the token behind this piece, and whether it belongs to the thought. */
  /** Functions called with this piece. */
  readonly calls?: readonly FunctionCall[];
  readonly logprobs?: { readonly thinking: boolean; readonly entry: TokenLogprobs };
}

/** Texts, or their token ids, of which each is to become a vector. */
export interface EmbedRequest { readonly inputs: readonly (string | readonly number[])[] }

export interface Embeddings {
  readonly type: 'embeddings';
  /** In the order of the inputs. */
  readonly vectors: readonly Float32Array[];
  /** Of all inputs, the special ones that the model asks for among them. */
  readonly tokens: number;
  readonly cutShort?: CutShort;
  /** Null where the meter failed. */
  readonly joules: number | null;
}

/** Why a choice ended before the model ended it; `client`: nobody listens any more. */
export type CutShort = 'time_limit' | 'shutdown' | 'client';

export interface ChoiceEnd {
  readonly type: 'end';
  readonly choice: number;
  readonly finish: 'stop' | 'length' | 'tool_calls';
  readonly cutShort?: CutShort;
  readonly tokens: number;
  readonly reasoningTokens: number;
  /** Prompt tokens whose cache was still there from an earlier request. */
  readonly cachedTokens: number;
  /** How thinking ended; null: there was none. */
  readonly thinkingEnded: 'natural' | 'budget' | 'length' | null;
  readonly queueSeconds: number;
  readonly promptSeconds: number;
  readonly decodeSeconds: number;
  /** Null where the meter failed. */
  readonly joules: number | null;
}

export type Refusal =
  | { readonly code: 'context_length_exceeded'; readonly promptTokens: number; readonly context: number }
  | { readonly code: 'unsupported'; readonly message: string; readonly param: string }
  | { readonly code: 'invalid_input'; readonly message: string; readonly hint?: string; readonly param?: string }
  | { readonly code: 'engine_failed'; readonly message: string };

export type EngineEvent =
  /** `dropped`: messages that were left out because they did not fit. */
  | { readonly type: 'prompt'; readonly tokens: number; readonly thinking: boolean; readonly dropped: number }
  | Piece
  | ChoiceEnd
  | Embeddings
  | { readonly type: 'refused'; readonly refusal: Refusal };

/** An answer on its way. Ending the loop over it early cancels what is left; another loop hears how that ended. */
export interface EngineAnswer extends AsyncIterable<EngineEvent> {
  /** Ends every open choice within one token; each still reports how it ended. */
  cancel(reason: CutShort): void;
}

export interface Engine {
  readonly description: EngineDescription;
  /** Choices that are being computed or wait. */
  readonly pending: number;
  /** Why it answers no more; null: it does. */
  readonly dead: string | null;
  start(request: EngineRequest): EngineAnswer;
  /** Its one event is `embeddings` or `refused`. */
  embed(request: EmbedRequest): EngineAnswer;
  close(): Promise<void>;
}
