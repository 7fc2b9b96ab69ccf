// GET /api/runs/:name/metrics: the rows of metrics.jsonl, those after a step if the reader has the ones before.

import { z } from 'zod';
import type { Route } from '../route.ts';
import { runMetricsSchema } from '../studio/run-report.ts';

export const runMetrics: Route = {
  method: 'get',
  path: '/api/runs/:name/metrics',
  summary: 'The curves of a run',
  access: 'operator',
  query: z.object({ after: z.string().regex(/^-?\d+$/).optional(), generation: z.string().optional() }),
  answers: { 'application/json': runMetricsSchema },
  answer: (c, { runs }) => c.json(runs.metrics(c.req.param('name')!, Number.parseInt(c.req.query('after') ?? '-1', 10), c.req.query('generation') ?? '')),
};
