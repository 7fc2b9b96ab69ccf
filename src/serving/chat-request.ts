// The body of POST /v1/chat/completions. A field that means something and is not supported is refused by its name; only
// fields that change nothing here (who asks, cache hints) are accepted and left alone.

import { z } from 'zod';

const textPart = z.strictObject({ type: z.literal('text'), text: z.string() });
const content = z.union([z.string(), z.array(textPart)], { error: 'expected a text, or a list of {"type": "text", "text"} parts; images, audio and files are not supported' });

const name = z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, 'expected letters, digits, _, . or -, at most 64');
const toolSchema = z.strictObject({
  type: z.literal('function'),
  function: z.strictObject({ name, description: z.string().optional(), parameters: z.record(z.string(), z.unknown()).optional().describe('JSON Schema of the arguments.'), strict: z.boolean().nullish() }),
});
const callSchema = z.strictObject({ id: z.string(), type: z.literal('function'), index: z.int().optional(), function: z.strictObject({ name, arguments: z.string() }) });
const formatSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.strictObject({ type: z.literal('json_schema'), json_schema: z.strictObject({ name: z.string().optional(), description: z.string().optional(), schema: z.record(z.string(), z.unknown()), strict: z.boolean().nullish().describe('Kept in any case.') }) }),
]);

const messageSchema = z.discriminatedUnion('role', [
  z.strictObject({ role: z.enum(['system', 'developer', 'user']), content, name: z.string().optional() }),
  z.strictObject({
    role: z.literal('assistant'), content: content.nullish(), name: z.string().optional(), refusal: z.null().optional(), audio: z.null().optional(), annotations: z.array(z.unknown()).max(0).optional(),
    reasoning_content: z.string().nullish().describe('Earlier thinking; `reasoning` and `thinking` are the same.'),
    reasoning: z.string().nullish(), thinking: z.string().nullish(), tool_calls: z.array(callSchema).nullish(),
  }),
  z.strictObject({ role: z.literal('tool'), content, tool_call_id: z.string(), name: z.string().optional() }),
]);

/** Only the value that changes nothing. */
const neutral = <T extends z.ZodType>(schema: T, why: string): z.ZodOptional<z.ZodNullable<T>> => schema.nullish().describe(`Not supported: ${why}. Only the neutral value is accepted.`);

export const chatRequestSchema = z.strictObject({
  model: z.string().describe('An id from /v1/models.'),
  messages: z.array(messageSchema).min(1),
  stream: z.boolean().nullish(),
  stream_options: z.strictObject({ include_usage: z.boolean().optional(), include_obfuscation: z.literal(false).optional() }).nullish(),

  max_completion_tokens: z.int().min(1).nullish().describe('Thinking included. Without it the context is the bound.'),
  max_tokens: z.int().min(1).nullish().describe('The older name of max_completion_tokens.'),
  truncation: z.enum(['disabled', 'auto']).nullish().describe('auto: the oldest turns of a conversation that does not fit are left out, and the answer says how many (`truncated`). Otherwise it is refused.'),
  temperature: z.number().min(0).max(100).nullish().describe('Default 1. 0: always the likeliest token.'),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z.int().min(0).nullish().describe('0: off.'),
  min_p: z.number().min(0).max(1).nullish(),
  seed: z.int().min(0).max(Number.MAX_SAFE_INTEGER).nullish().describe('The same request with the same seed gives the same answer, whoever shares the batch (f32 weights: bit for bit). Drawn and told in the answer if absent.'),
  stop: z.union([z.string().min(1), z.array(z.string().min(1)).max(16)]).nullish().describe('Searched in the answer, not in the thinking.'),
  n: z.int().min(1).max(16).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  logit_bias: z.record(z.string().regex(/^\d{1,9}$/, 'expected token ids as names'), z.number().min(-100).max(100)).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish().describe('Needs logprobs: true.'),

  think: z.boolean().nullish().describe('false: answer at once. true: think first.'),
  thinking_budget: z.int().min(0).nullish().describe('Tokens after which thinking is closed; the answer follows. 0 is think: false.'),
  reasoning_effort: z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']).nullish().describe('none: think: false. minimal 64, low 256, medium 1024 tokens of budget, and half of the longest answer at most; high and above: no bound.'),
  chat_template_kwargs: z.record(z.string(), z.unknown()).nullish().describe('Further names for the chat template; enable_thinking is obeyed for every model that thinks.'),
  reasoning_format: z.enum(['auto', 'deepseek', 'none']).nullish().describe('none: the raw text with its tags in `content`.'),

  response_format: formatSchema.nullish().describe('json_schema: the answer is made so that it satisfies the schema; thinking before it is free.'),
  tools: z.array(toolSchema).max(128).nullish().describe('For models whose chat template defines function calls.'),
  tool_choice: z.union([z.enum(['none', 'auto', 'required']), z.strictObject({ type: z.literal('function'), function: z.strictObject({ name }) })], { error: 'expected "none", "auto", "required" or {"type": "function", "function": {"name"}}' }).nullish(),
  functions: neutral(z.array(z.unknown()).max(0, 'use tools'), 'functions; use tools'),
  function_call: neutral(z.enum(['none', 'auto']), 'functions; use tools'),
  parallel_tool_calls: z.boolean().nullish().describe('false: one call at most.'),
  modalities: neutral(z.tuple([z.literal('text')]), 'other modalities than text'),
  audio: neutral(z.null(), 'audio'),
  prediction: neutral(z.null(), 'predicted output'),
  web_search_options: neutral(z.null(), 'web search: this server makes no connections'),
  store: neutral(z.literal(false), 'nothing is stored'),
  service_tier: neutral(z.enum(['auto', 'default']), 'service tiers'),
  verbosity: neutral(z.literal('medium'), 'verbosity'),

  user: z.string().nullish(),
  safety_identifier: z.string().nullish(),
  prompt_cache_key: z.string().nullish(),
  prompt_cache_retention: z.string().nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
}).meta({ id: 'ChatCompletionRequest' });

export type ChatRequest = z.output<typeof chatRequestSchema>;
