// GET /api/runs/:name: one run, with its recipe and the end of its log.

import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Route } from '../route.ts';
import { runReportSchema } from '../studio/run-report.ts';
import { startOf } from '../studio/trainer.ts';

const runSchema = z.object({
  run: runReportSchema,
  recipe: z.string().describe('Resolved, as YAML.'),
  start: z.enum(['starting', 'failed']).nullable().describe('Of the process that this server started for it last: it is there, or it ended otherwise than it should.'),
  log: z.string().describe('The end of what its process said, if the studio started it.'),
}).meta({ id: 'RunDetail' });

export type RunDetail = z.output<typeof runSchema>;

export const run: Route = {
  method: 'get',
  path: '/api/runs/:name',
  summary: 'One run',
  access: 'operator',
  answers: { 'application/json': runSchema },
  answer(c, { runs }) {
    const name = c.req.param('name')!, { recipe } = runs.run(name);
    return c.json({ run: runs.one(name), recipe: existsSync(recipe) ? readFileSync(recipe, 'utf8') : '', start: startOf(name), log: runs.log(name) } satisfies RunDetail);
  },
};
