// POST /v1/chat/completions: one conversation in, an answer out, whole or as server-sent events that end in [DONE].
// A client that leaves frees its slots within one token; the time limit and a stopping server end an answer early and
// say so (`cut_short`).

import { randomUUID } from 'node:crypto';
import { AnswerRecord } from '../answer-record.ts';
import { admit, unrecorded } from '../admit.ts';
import { ApiError } from '../api-error.ts';
import { type ChatRequest, chatRequestSchema } from '../chat-request.ts';
import { type ChatCompletion, type ToolCall, chatChunkSchema, chatCompletionSchema, closingFields, toolCall, usageOf } from '../chat-response.ts';
import { ChunkFrames } from '../chunk-frames.ts';
import { checkThinking, engineRequest } from '../engine-request.ts';
import type { ChoiceEnd, EngineEvent, EngineRequest, Refusal, TokenLogprobs } from '../engines/engine.ts';
import { eventStream, frameOf } from '../event-stream.ts';
import { readBody } from '../read-body.ts';
import type { Route, RouteContext } from '../route.ts';
import type { ServedModel, ServerState } from '../server-state.ts';

export const chatCompletions: Route = {
  method: 'post',
  path: '/v1/chat/completions',
  summary: 'Continue a conversation',
  body: chatRequestSchema,
  answers: { 'application/json': chatCompletionSchema, 'text/event-stream': chatChunkSchema },
  async answer(c, state) {
    const body = await readBody(c, chatRequestSchema, state.limits.bodyBytes);
    const served = modelNamed(state, body.model), request = engineRequest(body);
    checkThinking(body, served.engine.description.thinks);
    const head = { id: `chatcmpl-${randomUUID()}`, created: Math.floor(Date.now() / 1000), model: served.id }, events = begin(c, state, served, request, head.id);
    const first = (await events.next()).value;
    if (first?.type !== 'prompt') await events.return(undefined);
    if (first?.type === 'refused') throw refused(first.refusal);
    if (first?.type !== 'prompt') return new Response(null, { status: 499 }); // it left before we began
    const exchange = { served, request, events, promptTokens: first.tokens, head, truncated: first.dropped > 0 ? { messages: first.dropped } : undefined };
    return body.stream ? streamed(c, exchange, body) : c.json(await whole(exchange));
  },
};

interface Exchange {
  readonly served: ServedModel;
  readonly request: EngineRequest;
  readonly events: AsyncGenerator<EngineEvent>;
  readonly promptTokens: number;
  readonly truncated: { readonly messages: number } | undefined;
  readonly head: { readonly id: string; readonly created: number; readonly model: string };
}

export function modelNamed({ models }: ServerState, name: string): ServedModel {
  const found = models.get(name);
  if (!found) throw new ApiError(404, 'model_not_found', `there is no model "${name}" here; served: ${[...models.keys()].join(', ')}`, { param: 'model' });
  return found;
}

export function refused(refusal: Refusal, param = 'messages'): ApiError {
  if (refusal.code === 'context_length_exceeded') {
    const { promptTokens, context } = refusal;
    return new ApiError(400, refusal.code, `the context takes ${context} tokens and the prompt has ${promptTokens}, which leaves no room for an answer; shorten the conversation`, { param });
  }
  if (refusal.code === 'engine_failed') return new ApiError(500, refusal.code, `the engine failed: ${refusal.message}`);
  if (refusal.code === 'unsupported') return new ApiError(400, refusal.code, refusal.message, { param: refusal.param });
  return new ApiError(400, refusal.code, `${refusal.message}${refusal.hint === undefined ? '' : `. ${refusal.hint}`}`, { param: refusal.param ?? param });
}

/** Starts the answer, if there is room in the queue; its events are counted on their way. */
function begin(c: RouteContext, state: ServerState, served: ServedModel, request: EngineRequest, id: string): AsyncGenerator<EngineEvent> {
  const { engine, id: model } = served, { metrics, limits: { timeLimit }, open, audit, log } = state;
  admit(state, served, request.choices);
  const record = audit && new AnswerRecord(audit, id, c.get('user').name, served, request), answer = engine.start(request);
  open.add(answer);
  const { outgoing } = c.env;
  const left = (): void => answer.cancel('client'),
    see = (event: EngineEvent): void => {
      record?.see(event);
      if (event.type === 'end') count(state, served, event);
      if (event.type === 'prompt') metrics.tokens.inc({ model, kind: 'prompt' }, event.tokens);
    };
  outgoing.once('close', left);
  const timer = setTimeout(() => answer.cancel('time_limit'), timeLimit * 1000).unref();
  return (async function* counted() {
    try {
      for await (const event of answer) {
        see(event);
        yield event;
      }
    } finally {
      clearTimeout(timer);
      outgoing.off('close', left);
      for await (const event of answer) see(event); // whoever left early: what it had cost until then
      open.delete(answer);
      await record?.write();
      if (audit?.failure) {
        log.error({ error: audit.failure }, 'audit');
        throw unrecorded(audit);
      }
    }
  })();
}

function count({ metrics }: ServerState, served: ServedModel, end: ChoiceEnd): void {
  const { id: model, engine: { description: { energy } } } = served;
  metrics.tokens.inc({ model, kind: 'cached' }, end.cachedTokens);
  metrics.tokens.inc({ model, kind: 'reasoning' }, end.reasoningTokens);
  metrics.tokens.inc({ model, kind: 'answer' }, end.tokens - end.reasoningTokens);
  if (end.joules !== null) metrics.joules.inc({ model, method: energy.method }, end.joules);
  if (end.cutShort) metrics.cutShort.inc({ model, reason: end.cutShort });
  if (end.tokens > 0) metrics.firstToken.observe({ model }, end.queueSeconds + end.promptSeconds);
  if (end.tokens > 1) metrics.perToken.observe({ model }, end.decodeSeconds / (end.tokens - 1));
  if (end.tokens > 4 && end.decodeSeconds > 0) served.speed = (end.tokens - 1) / end.decodeSeconds;
  served.secondsPerChoice = 0.8 * served.secondsPerChoice + 0.2 * (end.promptSeconds + end.decodeSeconds);
}

async function whole({ served, request, events, promptTokens, head, truncated }: Exchange): Promise<ChatCompletion> {
  const texts = Array.from({ length: request.choices }, () => ({ thinking: '', content: '', calls: [] as ToolCall[], logprobs: { content: [] as TokenLogprobs[], reasoning: [] as TokenLogprobs[] } }));
  const ends: ChoiceEnd[] = [];
  for await (const event of events) {
    if (event.type === 'refused') throw refused(event.refusal);
    if (event.type === 'end') ends[event.choice] = event;
    if (event.type !== 'piece') continue;
    const text = texts[event.choice]!;
    text.thinking += event.thinking;
    text.content += event.content;
    text.calls.push(...(event.calls ?? []).map(toolCall));
    if (event.logprobs) text.logprobs[event.logprobs.thinking ? 'reasoning' : 'content'].push(event.logprobs.entry);
  }
  if (ends.every((e) => e.tokens === 0 && e.cutShort !== undefined)) {
    throw new ApiError(503, ends[0]?.cutShort ?? 'client_left', 'the request was ended before its first token', { headers: { 'Retry-After': '5' } });
  }
  return {
    ...head, object: 'chat.completion', seed: request.sampling.seed, ...(truncated && { truncated }),
    choices: texts.map(({ thinking, content, calls, logprobs }, index) => ({
      index, message: { role: 'assistant', content: content.trim() === '' && calls.length > 0 ? null : content, ...(calls.length > 0 && { tool_calls: calls }), ...(thinking !== '' && { reasoning_content: thinking, reasoning: thinking }), refusal: null },
      logprobs: request.topLogprobs === null ? null : logprobs as never, ...closingFields(ends[index]!, promptTokens, served.engine.description),
    })),
    usage: usageOf(ends, promptTokens),
  };
}

function streamed(c: RouteContext, { served, request, events, promptTokens, head, truncated }: Exchange, body: ChatRequest): Response {
  const frames = new ChunkFrames(head, { withUsage: body.stream_options?.include_usage === true, promptTokens, engine: served.engine.description });
  return eventStream(c, async (send) => {
    try {
      for (let index = 0; index < request.choices; index++) send(frames.opening(index, { seed: request.sampling.seed, ...(truncated && { truncated }) }));
      for await (const event of events) {
        if (event.type === 'refused') throw refused(event.refusal);
        if (event.type === 'piece') send(frames.piece(event));
        else if (event.type === 'end') send(frames.end(event));
      }
      send(frames.usage());
    } catch (error) {
      const told = error instanceof ApiError ? error : new ApiError(500, 'internal', `something unexpected happened: ${(error as Error).message}`);
      send(frameOf(JSON.stringify(told.body)));
    }
  });
}
