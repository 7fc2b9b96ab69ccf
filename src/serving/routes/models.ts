// GET /v1/models: what is served, by which engine, and how much it can take.

import { z } from 'zod';
import type { Route } from '../route.ts';

const modelsSchema = z.object({
  object: z.literal('list'),
  data: z.array(z.object({
    id: z.string(), object: z.literal('model'), created: z.int(), owned_by: z.string(),
    engine: z.string(), architecture: z.string(), parameters: z.int(), precision: z.string(), cache: z.string().describe('How keys and values are held.'),
    context: z.int().describe('Longest prompt plus answer, in tokens.'), thinks: z.boolean(), tools: z.string().nullable().describe('How it writes function calls; null: it does not.'), embedding: z.object({ pooling: z.enum(['mean', 'last']), size: z.int() }).nullable().describe('Whether /v1/embeddings takes it, and how a vector is made.'), slots: z.int().describe('Choices computed at once.'), machine: z.string(),
  })),
}).meta({ id: 'ModelList' });

export const models: Route = {
  method: 'get',
  path: '/v1/models',
  summary: 'The models that are served',
  answers: { 'application/json': modelsSchema },
  answer: (c, state) => c.json({
    object: 'list',
    data: [...state.models.values()].map(({ id, created, engine: { description: { engine, architecture, parameters, precision, cache, context, thinks, tools, embedding, slots, machine } } }) => ({
      id, object: 'model' as const, created, owned_by: 'local', engine, architecture, parameters, precision, cache, context, thinks, tools, embedding: embedding && !('refused' in embedding) ? { pooling: embedding.how, size: embedding.size } : null, slots, machine,
    })),
  } satisfies z.output<typeof modelsSchema>),
};
