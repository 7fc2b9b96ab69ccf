// GET /api/runs/:name: one run, with its recipe and the end of its log.

import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Route } from '../route.ts';
import { runReportSchema } from '../studio/run-report.ts';

const runSchema = z.object({
  run: runReportSchema,
  recipe: z.string().describe('Resolved, as YAML.'),
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
    return c.json({ run: runs.one(name), recipe: existsSync(recipe) ? readFileSync(recipe, 'utf8') : '', log: runs.log(name) } satisfies RunDetail);
  },
};
