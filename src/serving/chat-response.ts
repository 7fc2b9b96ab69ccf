// The answer of POST /v1/chat/completions, whole or in chunks: OpenAI's fields, thinking under both names clients read
// (`reasoning_content`, `reasoning`), and three of our own on every choice: how thinking ended, timings, energy.

import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { ChoiceEnd, EngineDescription } from './engines/engine.ts';
import type { FunctionCall } from './tools/tool-format.ts';

const tokenLogprob = z.object({ token: z.string(), logprob: z.number(), bytes: z.array(z.int()) });
const logprobsSchema = z.object({
  content: z.array(tokenLogprob.extend({ top_logprobs: z.array(tokenLogprob) })),
  reasoning: z.array(tokenLogprob.extend({ top_logprobs: z.array(tokenLogprob) })).describe('The same for the tokens of the thought, its tags included.'),
});

const ends = {
  finish_reason: z.enum(['stop', 'length', 'tool_calls']),
  cut_short: z.enum(['time_limit', 'shutdown', 'client']).optional().describe('Why the server ended it.'),
  thinking: z.object({ ended: z.enum(['natural', 'budget', 'length']).nullable().describe('null: there was no thought.'), tokens: z.int() }),
  timings: z.object({
    queue_ms: z.number(), prompt_n: z.int(), cache_n: z.int().describe('Prompt tokens that were in the cache already.'), prompt_ms: z.number(), prompt_per_second: z.number(),
    predicted_n: z.int(), predicted_ms: z.number(), predicted_per_second: z.number(),
  }),
  energy: z.object({
    joules: z.number().nullable(), grade: z.string(), method: z.string(), formula: z.string(), covers: z.string(),
    share: z.string().describe('How energy of a step is split over those who share it.'),
  }),
};

const usageSchema = z.object({
  prompt_tokens: z.int(), completion_tokens: z.int(), total_tokens: z.int(),
  prompt_tokens_details: z.object({ cached_tokens: z.int() }),
  completion_tokens_details: z.object({ reasoning_tokens: z.int() }),
});

const toolCallSchema = z.object({ id: z.string(), type: z.literal('function'), function: z.object({ name: z.string(), arguments: z.string().describe('JSON text of an object.') }) });
const thought = { reasoning_content: z.string().optional(), reasoning: z.string().optional().describe('The same as reasoning_content.') };
const head = { id: z.string(), created: z.int(), model: z.string() };
const truncated = z.object({ messages: z.int() }).describe('Messages that were left out because the conversation did not fit.').optional();
const seed = z.int().describe('Asked for again, it gives the same answer.');

export const chatCompletionSchema = z.object({
  ...head, object: z.literal('chat.completion'), seed, truncated,
  choices: z.array(z.object({ index: z.int(), message: z.object({ role: z.literal('assistant'), content: z.string().nullable(), ...thought, tool_calls: z.array(toolCallSchema).optional(), refusal: z.null() }), logprobs: logprobsSchema.nullable(), ...ends })),
  usage: usageSchema,
}).meta({ id: 'ChatCompletion' });

export const chatChunkSchema = z.object({
  ...head, object: z.literal('chat.completion.chunk'), seed: seed.optional(), truncated,
  choices: z.array(z.object({
    index: z.int(), delta: z.object({ role: z.literal('assistant').optional(), content: z.string().optional(), ...thought, tool_calls: z.array(toolCallSchema.extend({ index: z.int() })).optional().describe('Each call comes whole, in one chunk.') }), logprobs: logprobsSchema.nullable(),
    ...ends, finish_reason: ends.finish_reason.nullable(), thinking: ends.thinking.optional(), timings: ends.timings.optional(), energy: ends.energy.optional(),
  })),
  usage: usageSchema.nullish(),
}).meta({ id: 'ChatCompletionChunk' });

export type ChatCompletion = z.output<typeof chatCompletionSchema>;
export type ChatChunk = z.output<typeof chatChunkSchema>;
export type Usage = z.output<typeof usageSchema>;
export type ToolCall = z.output<typeof toolCallSchema>;

/** Nine letters and digits, as Mistral's templates ask for. */
const callId = (): string => Array.from(randomBytes(9), (b) => 'abcdefghijklmnopqrstuvwxyz0123456789'[b % 36]!).join('');
export const toolCall = ({ name, arguments: given }: FunctionCall): ToolCall => ({ id: callId(), type: 'function', function: { name, arguments: given } });

export const energyShare = 'the energy of a step is split over its sequences by the tokens computed for each';

const rounded = (x: number, digits = 3): number => Number(x.toFixed(digits));
const rate = (n: number, seconds: number): number => (seconds > 0 ? rounded(n / seconds, 2) : 0);

/** The fields that close a choice. */
export function closingFields(end: ChoiceEnd, promptTokens: number, { energy }: EngineDescription): Pick<ChatCompletion['choices'][number], 'finish_reason' | 'cut_short' | 'thinking' | 'timings' | 'energy'> {
  const read = promptTokens - end.cachedTokens;
  return {
    finish_reason: end.finish, ...(end.cutShort && { cut_short: end.cutShort }),
    thinking: { ended: end.thinkingEnded, tokens: end.reasoningTokens },
    timings: {
      queue_ms: rounded(end.queueSeconds * 1000), prompt_n: read, cache_n: end.cachedTokens, prompt_ms: rounded(end.promptSeconds * 1000), prompt_per_second: rate(read, end.promptSeconds),
      predicted_n: end.tokens, predicted_ms: rounded(end.decodeSeconds * 1000), predicted_per_second: rate(end.tokens, end.decodeSeconds),
    },
    energy: { joules: end.joules === null ? null : rounded(end.joules, 6), ...energy, share: energyShare },
  };
}

export function usageOf(ends: readonly ChoiceEnd[], promptTokens: number): Usage {
  const sum = (f: (end: ChoiceEnd) => number): number => ends.reduce((n, end) => n + f(end), 0), completion = sum((e) => e.tokens);
  return {
    prompt_tokens: promptTokens, completion_tokens: completion, total_tokens: promptTokens + completion,
    prompt_tokens_details: { cached_tokens: ends[0]?.cachedTokens ?? 0 }, completion_tokens_details: { reasoning_tokens: sum((e) => e.reasoningTokens) },
  };
}
