// POST /api/runs/:name/stop: asks who trains it to finish the step, save and end.

import { z } from 'zod';
import { ApiError } from '../api-error.ts';
import type { Route } from '../route.ts';
import { stopTrainer } from '../studio/trainer.ts';

const runStopSchema = z.object({ stopping: z.literal(true) }).meta({ id: 'RunStop' });

export const runStop: Route = {
  method: 'post',
  path: '/api/runs/:name/stop',
  summary: 'Stop a run after its step; it can go on later',
  access: 'operator',
  answers: { 'application/json': runStopSchema },
  answer(c, { home }) {
    const name = c.req.param('name')!;
    if (!stopTrainer(name, home)) throw new ApiError(409, 'not_running', `nobody trains the run "${name}"`);
    return c.json({ stopping: true } satisfies z.output<typeof runStopSchema>);
  },
};
