// GET /api/models: every model that is here, loaded or not.

import { z } from 'zod';
import type { Route } from '../route.ts';
import { shelf, shelfModelSchema } from '../studio/model-shelf.ts';

const shelfSchema = z.object({ models: z.array(shelfModelSchema), free_bytes: z.int().describe('Memory free for more.') }).meta({ id: 'Shelf' });

export type Shelf = z.output<typeof shelfSchema>;

export const shelfRoute: Route = {
  method: 'get',
  path: '/api/models',
  summary: 'The models that are here, what they are, whether they fit and how fast they would be',
  answers: { 'application/json': shelfSchema },
  answer: async (c, state) => c.json({ models: await shelf(state), free_bytes: process.availableMemory() } satisfies Shelf),
};
