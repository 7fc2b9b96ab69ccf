// POST /api/models/:id/load and /unload: takes a model into memory, or out of it. Loading answers at once; the list says
// when it is done or why it failed.

import { z } from 'zod';
import { resolveTalkingModel } from '../../models/model-path.ts';
import { ApiError } from '../api-error.ts';
import type { Route, RouteContext } from '../route.ts';
import { onShelf } from '../studio/model-shelf.ts';
import type { ServerState } from '../server-state.ts';

const modelStateSchema = z.object({ id: z.string(), state: z.enum(['loading', 'loaded', 'here']) }).meta({ id: 'ModelState' });

/** Names of the shelf only: a page must not open any path it likes. */
function knownModel(c: RouteContext, state: ServerState): string {
  const id = c.req.param('id')!;
  if (!onShelf(state).some((m) => m.id === id)) throw new ApiError(404, 'model_not_found', `there is no model "${id}" here`);
  return id;
}

export const modelLoad: Route = {
  method: 'post',
  path: '/api/models/:id/load',
  summary: 'Load a model',
  access: 'operator',
  answers: { 'application/json': modelStateSchema },
  async answer(c, state) {
    const id = knownModel(c, state), { store, home } = state;
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
    const id = knownModel(c, state);
    await state.store.unload(id);
    return c.json({ id, state: 'here' as const } satisfies z.output<typeof modelStateSchema>);
  },
};
