// From the fields clients send to what an engine is asked: history in one form, one decision about thinking, numbers with
// their defaults. Contradictions are refused; guessing which of two fields was meant would be a third answer.

import { randomInt } from 'node:crypto';
import type { ChatMessage } from '../tokenizer/chat-template.ts';
import { ApiError } from './api-error.ts';
import type { ChatRequest } from './chat-request.ts';
import type { EngineRequest } from './engines/engine.ts';
import { deeperThan, mostLevels, tooDeep } from './read-body.ts';
import { Language } from './structured/expression.ts';
import { SchemaError, schemaLanguage } from './structured/json-schema.ts';
import type { ToolDefinition } from './tools/tool-format.ts';

const effortBudgets = { minimal: 64, low: 256, medium: 1024 } as const;

type Message = ChatRequest['messages'][number];

const plainText = (content: Message['content']): string => (typeof content === 'string' ? content : (content ?? []).map((p) => p.text).join(''));

function chatMessage(message: Message): ChatMessage {
  const content = plainText(message.content);
  if (message.role === 'tool') return { role: 'tool', content, tool_call_id: message.tool_call_id, ...(message.name !== undefined && { name: message.name }) };
  if (message.role !== 'assistant') return { role: message.role === 'developer' ? 'system' : message.role, content };
  const thought = message.reasoning_content ?? message.reasoning ?? message.thinking;
  // Templates write arguments as JSON themselves, from the object.
  const calls = message.tool_calls?.map((call) => ({ ...call, function: { name: call.function.name, arguments: parsedArguments(call.function.arguments) } }));
  return { role: 'assistant', content, ...(thought !== null && thought !== undefined && { reasoning_content: thought }), ...(calls && calls.length > 0 && { tool_calls: calls }) };
}

function parsedArguments(text: string): unknown {
  let value: unknown;
  try { value = JSON.parse(text); } catch { throw new ApiError(400, 'invalid_value', 'messages: the arguments of a tool call are not JSON', { param: 'messages' }); }
  if (deeperThan(value, mostLevels)) throw new ApiError(400, 'invalid_value', tooDeep('messages: the arguments of a tool call'), { param: 'messages' });
  return value;
}

const contradiction = (param: string, message: string): ApiError => new ApiError(400, 'contradiction', message, { param });

/** What the fields about thinking say together. */
export function thinkingOf(body: ChatRequest, maxTokens: number | null): EngineRequest['thinking'] {
  const { think, thinking_budget: budget, reasoning_effort: effort, chat_template_kwargs: kwargs } = body;
  const fromTemplate = kwargs?.['enable_thinking'];
  if (fromTemplate !== undefined && typeof fromTemplate !== 'boolean') throw new ApiError(400, 'invalid_type', 'chat_template_kwargs.enable_thinking: expected true or false', { param: 'chat_template_kwargs.enable_thinking' });
  const said: [name: string, enabled: boolean][] = [];
  if (typeof think === 'boolean') said.push(['think', think]);
  if (typeof fromTemplate === 'boolean') said.push(['chat_template_kwargs.enable_thinking', fromTemplate]);
  if (effort) said.push(['reasoning_effort', effort !== 'none']);
  if (typeof budget === 'number') said.push(['thinking_budget', budget > 0]);
  const [first] = said, other = said.find(([, enabled]) => enabled !== first?.[1]);
  if (first && other) throw contradiction(other[0], `${first[0]} and ${other[0]} contradict each other: one wants thinking, the other does not`);
  const bounded = effort === 'minimal' || effort === 'low' || effort === 'medium' ? Math.min(effortBudgets[effort], maxTokens === null ? Infinity : Math.floor(maxTokens / 2)) : null;
  return { enabled: first ? first[1] : null, budget: budget ?? bounded, raw: body.reasoning_format === 'none' };
}

/** Refuses what asks outright for a thought that the model cannot have. An effort or a budget only bounds what it would do, and what `chat_template_kwargs` mean is the template's business. */
export function checkThinking({ think }: Pick<ChatRequest, 'think'>, thinks: boolean): void {
  if (think === true && !thinks) throw new ApiError(400, 'unsupported', 'think: this model was not made to think before it answers; leave the field out, or take another', { param: 'think' });
}

/** Refuses a schema where the client reads of it, before an engine is asked. What bounds its size holds for all schemas of a request together: this thread has others to serve. */
function checkSchema(l: Language, schema: unknown, param: string, allowed: 'all' | 'understood'): void {
  try { schemaLanguage(l, schema, param); } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    if (error.kind === 'unsupported' && allowed === 'all') return;
    const at = error.path === '' ? param : `${param}.${error.path}`;
    throw new ApiError(400, error.kind === 'unsupported' ? 'unsupported_schema' : 'invalid_value', `${at}: ${error.message}`, { param: at });
  }
}

function formatOf(l: Language, { response_format: format }: ChatRequest): EngineRequest['format'] {
  if (!format || format.type === 'text') return null;
  if (format.type === 'json_object') return format;
  checkSchema(l, format.json_schema.schema, 'response_format.json_schema.schema', 'understood');
  return { type: 'json_schema', schema: format.json_schema.schema };
}

function toolsOf(l: Language, { tools, tool_choice: choice, parallel_tool_calls: parallel }: ChatRequest): EngineRequest['tools'] {
  const only = choice && typeof choice === 'object' ? choice.function.name : null;
  if (!tools || tools.length === 0) {
    if (only !== null || choice === 'required') throw contradiction('tool_choice', 'tool_choice asks for a call, and there are no tools');
    return null;
  }
  if (choice === 'none') return null;
  for (const [i, { function: { name, parameters, strict } }] of tools.entries()) {
    if (tools.findIndex((t) => t.function.name === name) < i) throw new ApiError(400, 'invalid_value', `tools[${i}].function.name: there are two functions "${name}"`, { param: `tools[${i}].function.name` });
    if (parameters) checkSchema(l, parameters, `tools[${i}].function.parameters`, strict ? 'understood' : 'all');
  }
  if (only !== null && !tools.some((t) => t.function.name === only)) throw contradiction('tool_choice', `tool_choice names "${only}", which is none of the tools`);
  return { definitions: tools as readonly ToolDefinition[], required: choice === 'required' || only !== null, only, parallel: parallel !== false && only === null };
}

export function engineRequest(body: ChatRequest): EngineRequest {
  const { max_completion_tokens: most, max_tokens: older, logprobs, top_logprobs: top } = body;
  if (typeof most === 'number' && typeof older === 'number' && most !== older) throw contradiction('max_tokens', 'max_tokens and max_completion_tokens differ; give one of them');
  if (typeof top === 'number' && top > 0 && logprobs !== true) throw contradiction('top_logprobs', 'top_logprobs needs logprobs: true');
  const maxTokens = most ?? older ?? null, thinking = thinkingOf(body, maxTokens);
  if (thinking.raw && thinking.budget !== null && thinking.budget > 0) throw contradiction('reasoning_format', 'a thinking budget needs thinking taken apart; leave reasoning_format: "none" out');
  const { reasoning_effort: effort, chat_template_kwargs: kwargs } = body, l = new Language(), format = formatOf(l, body), tools = toolsOf(l, body);
  if (thinking.raw && (format ?? tools)) throw contradiction('reasoning_format', 'response_format and tools need thinking taken apart; leave reasoning_format: "none" out');
  return {
    messages: body.messages.map(chatMessage),
    variables: { ...(effort && effort !== 'none' && { reasoning_effort: effort }), ...kwargs },
    choices: body.n ?? 1,
    truncate: body.truncation === 'auto',
    maxTokens,
    stop: typeof body.stop === 'string' ? [body.stop] : body.stop ?? [],
    sampling: {
      temperature: body.temperature ?? 1, topK: body.top_k ?? 0, topP: body.top_p ?? 1, minP: body.min_p ?? 0, seed: body.seed ?? randomInt(2 ** 48 - 1),
      frequencyPenalty: body.frequency_penalty ?? 0, presencePenalty: body.presence_penalty ?? 0,
      bias: Object.entries(body.logit_bias ?? {}).map(([id, value]) => [Number(id), value] as const),
    },
    topLogprobs: logprobs === true ? top ?? 0 : null,
    format, tools,
    thinking,
  };
}
