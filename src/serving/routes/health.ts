// GET /health: 200 as soon as every model is ready, 503 once the server is told to stop.

import { z } from 'zod';
import type { Route } from '../route.ts';

const healthSchema = z.object({ status: z.enum(['ok', 'stopping']) }).meta({ id: 'Health' });

export const health: Route = {
  method: 'get',
  path: '/health',
  access: 'anyone',
  summary: 'Whether the server takes requests',
  answers: { 'application/json': healthSchema },
  answer: (c, { stopping }) => c.json({ status: stopping ? 'stopping' : 'ok' } satisfies z.output<typeof healthSchema>, stopping ? 503 : 200),
};
