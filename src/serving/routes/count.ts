// POST /api/count: how much of a model's context a conversation takes, its template included. The engine is asked the way
// it is asked for an answer, and told to stop as soon as it has said how long the prompt is.

import { z } from 'zod';
import { ApiError } from '../api-error.ts';
import { chatRequestSchema } from '../chat-request.ts';
import { engineRequest } from '../engine-request.ts';
import { readBody } from '../read-body.ts';
import type { Route } from '../route.ts';
import { modelNamed } from './chat-completions.ts';

const countRequestSchema = chatRequestSchema.pick({ model: true, messages: true }).meta({ id: 'CountRequest' });
const countSchema = z.object({ tokens: z.int(), context: z.int() }).meta({ id: 'Count' });

export type Count = z.output<typeof countSchema>;

const largest = 32 * 2 ** 20;

export const count: Route = {
  method: 'post',
  path: '/api/count',
  summary: 'How many tokens a conversation has',
  body: countRequestSchema,
  answers: { 'application/json': countSchema },
  async answer(c, state) {
    const body = await readBody(c, countRequestSchema, largest), served = modelNamed(state, body.model), { context } = served.engine.description;
    for await (const event of served.engine.start(engineRequest(body))) { // leaving the loop cancels it
      if (event.type === 'prompt') return c.json({ tokens: event.tokens, context } satisfies Count);
      if (event.type === 'refused') {
        if (event.refusal.code === 'context_length_exceeded') return c.json({ tokens: event.refusal.promptTokens, context } satisfies Count);
        throw new ApiError(event.refusal.code === 'engine_failed' ? 500 : 400, event.refusal.code, event.refusal.message);
      }
    }
    throw new ApiError(500, 'engine_failed', 'the engine said nothing');
  },
};
