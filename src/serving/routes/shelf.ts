// GET /api/models: every model that is here, loaded or not. Users see those they can talk with, without what they were made
// from: that may be confidential.

import { z } from 'zod';
import { freeMemory } from '../../free-memory.ts';
import type { Route } from '../route.ts';
import { shelf, shelfModelSchema } from '../studio/model-shelf.ts';

const shelfSchema = z.object({ models: z.array(shelfModelSchema), free_bytes: z.int().describe('Memory free for more.') }).meta({ id: 'Shelf' });

export type Shelf = z.output<typeof shelfSchema>;

export const shelfRoute: Route = {
  method: 'get',
  path: '/api/models',
  summary: 'The models that are here, what they are, whether they fit and how fast they would be',
  answers: { 'application/json': shelfSchema },
  async answer(c, state) {
    const all = await shelf(state), operator = c.get('user').role === 'operator';
    const models = operator ? all : all.filter((m) => m.state === 'loaded').map((m) => ({ ...m, made_from: null, examples: [] }));
    return c.json({ models, free_bytes: freeMemory() } satisfies Shelf);
  },
};
