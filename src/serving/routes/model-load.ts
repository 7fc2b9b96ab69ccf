// POST /api/models/:id/load and /unload: takes a model into memory, or out of it. Loading answers at once; the list says
// when it is done or why it failed.

import { z } from 'zod';
import { resolveTalkingModel } from '../../models/model-path.ts';
import { ApiError } from '../api-error.ts';
import type { Route, RouteContext } from '../route.ts';
import { shelf } from '../studio/model-shelf.ts';
import type { ServerState } from '../server-state.ts';

const modelStateSchema = z.object({ id: z.string(), state: z.enum(['loading', 'loaded', 'here']) }).meta({ id: 'ModelState' });

/** Names of the shelf only: a page must not open any path it likes. */
export async function onShelf(c: RouteContext, state: ServerState): Promise<string> {
  const id = c.req.param('id')!, found = (await shelf(state)).find((m) => m.id === id);
  if (!found) throw new ApiError(404, 'model_not_found', `there is no model "${id}" here`);
  return id;
}

export const modelLoad: Route = {
  method: 'post',
  path: '/api/models/:id/load',
  summary: 'Load a model',
  access: 'operator',
  answers: { 'application/json': modelStateSchema },
  async answer(c, state) {
    const id = await onShelf(c, state), { store, home } = state;
    if (store.models.has(id)) return c.json({ id, state: 'loaded' as const });
    store.load(id, resolveTalkingModel(id, home, home)).catch(() => {}); // the list tells
    return c.json({ id, state: 'loading' as const } satisfies z.output<typeof modelStateSchema>);
  },
};

export const modelUnload: Route = {
  method: 'post',
  path: '/api/models/:id/unload',
  summary: 'Take a model out of memory; open answers end',
  access: 'operator',
  answers: { 'application/json': modelStateSchema },
  async answer(c, state) {
    const id = await onShelf(c, state);
    await state.store.unload(id);
    return c.json({ id, state: 'here' as const } satisfies z.output<typeof modelStateSchema>);
  },
};
