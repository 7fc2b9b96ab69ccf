// GET /health: 200 as soon as every model is ready; 503 once the server is told to stop, and while an engine has ended by
// itself and is not loaded again yet.

import { z } from 'zod';
import type { Route } from '../route.ts';

const healthSchema = z.object({ status: z.enum(['ok', 'stopping', 'failed']) }).meta({ id: 'Health' });

export const health: Route = {
  method: 'get',
  path: '/health',
  access: 'anyone',
  summary: 'Whether the server takes requests',
  answers: { 'application/json': healthSchema },
  answer(c, { stopping, models }) {
    const status = stopping ? 'stopping' : [...models.values()].some(({ engine }) => engine.dead !== null) ? 'failed' : 'ok';
    return c.json({ status } satisfies z.output<typeof healthSchema>, status === 'ok' ? 200 : 503);
  },
};
