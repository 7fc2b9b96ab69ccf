// GET /api/runs: every run with a folder, latest first; and those that were just begun and have none yet.

import { z } from 'zod';
import type { Route } from '../route.ts';
import { runReportSchema } from '../studio/run-report.ts';
import { startsWithoutFolder } from '../studio/trainer.ts';

const startSchema = z.object({ run: z.string(), state: z.enum(['starting', 'failed']), log: z.string().describe('The end of what its process said.') });

const runsSchema = z.object({ runs: z.array(runReportSchema), starts: z.array(startSchema).describe('Begun here, without a folder yet: their time is being measured, or they failed before.') }).meta({ id: 'RunList' });

export type RunList = z.output<typeof runsSchema>;

export const runs: Route = {
  method: 'get',
  path: '/api/runs',
  summary: 'All runs, with how far they are and what they cost',
  access: 'operator',
  answers: { 'application/json': runsSchema },
  answer: (c, { runs: reader, home }) => c.json({ runs: reader.list(), starts: startsWithoutFolder(home).map((s) => ({ ...s, log: reader.log(s.run) })) } satisfies RunList),
};
