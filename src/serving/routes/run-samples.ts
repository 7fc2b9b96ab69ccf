// GET /api/runs/:name/samples: the same problems at every evaluation, with the thoughts of that checkpoint.

import { z } from 'zod';
import type { Route } from '../route.ts';
import { runSampleSchema } from '../../runs/run-samples.ts';

const runSamplesSchema = z.object({ samples: z.array(runSampleSchema) }).meta({ id: 'RunSamples' });

export type RunSamples = z.output<typeof runSamplesSchema>;

export const runSamples: Route = {
  method: 'get',
  path: '/api/runs/:name/samples',
  summary: 'What a run thought, step by step',
  access: 'operator',
  answers: { 'application/json': runSamplesSchema },
  answer: (c, { runs }) => c.json({ samples: [...runs.samples(c.req.param('name')!)] } satisfies RunSamples),
};
