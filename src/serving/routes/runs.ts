// GET /api/runs: every run with a folder, latest first.

import { z } from 'zod';
import type { Route } from '../route.ts';
import { runReportSchema } from '../studio/run-report.ts';

const runsSchema = z.object({ runs: z.array(runReportSchema) }).meta({ id: 'RunList' });

export type RunList = z.output<typeof runsSchema>;

export const runs: Route = {
  method: 'get',
  path: '/api/runs',
  summary: 'All runs, with how far they are and what they cost',
  access: 'operator',
  answers: { 'application/json': runsSchema },
  answer: (c, state) => c.json({ runs: state.runs.list() } satisfies RunList),
};
