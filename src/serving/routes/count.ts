// POST /api/count: how much of a model's context a conversation takes, its template included. The engine is asked the way
// it is asked for an answer, and told to stop as soon as it has said how long the prompt is. Of what is far longer than the
// context a part is counted and the whole reckoned from it: the engine's thread has others to answer meanwhile.

import { z } from 'zod';
import { ApiError } from '../api-error.ts';
import { chatRequestSchema } from '../chat-request.ts';
import { engineRequest } from '../engine-request.ts';
import { readBody } from '../read-body.ts';
import type { Route } from '../route.ts';
import { modelNamed } from './chat-completions.ts';

const countRequestSchema = chatRequestSchema.pick({ model: true, messages: true }).meta({ id: 'CountRequest' });
const countSchema = z.object({ tokens: z.int(), context: z.int(), estimated: z.boolean().describe('Reckoned from a part: the whole is far longer than the context.') }).meta({ id: 'Count' });

export type Count = z.output<typeof countSchema>;

const largest = 32 * 2 ** 20;

/** Characters a token of any language rarely has more of. */
const perToken = 16;

export const count: Route = {
  method: 'post',
  path: '/api/count',
  summary: 'How many tokens a conversation has',
  body: countRequestSchema,
  answers: { 'application/json': countSchema },
  async answer(c, state) {
    const body = await readBody(c, countRequestSchema, largest), served = modelNamed(state, body.model), { context } = served.engine.description;
    const request = engineRequest(body), texts = request.messages.map((m) => String(m.content)), characters = texts.reduce((n, text) => n + text.length, 0), share = Math.min(1, (perToken * context) / Math.max(1, characters));
    const counted = (tokens: number): Response => c.json({ tokens: Math.round(tokens / share), context, estimated: share < 1 } satisfies Count);
    const messages = request.messages.map((m, i) => ({ ...m, content: texts[i]!.slice(0, Math.ceil(texts[i]!.length * share)) }));
    for await (const event of served.engine.start({ ...request, messages })) { // leaving the loop cancels it
      if (event.type === 'prompt') return counted(event.tokens);
      if (event.type === 'refused') {
        if (event.refusal.code === 'context_length_exceeded') return counted(event.refusal.promptTokens);
        throw new ApiError(event.refusal.code === 'engine_failed' ? 500 : 400, event.refusal.code, event.refusal.message);
      }
    }
    throw new ApiError(500, 'engine_failed', 'the engine said nothing');
  },
};
