// POST /api/runs: begins a run from a recipe that came with this program, or goes on with one that was begun.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { packageRoot } from '../../ledger/provenance.ts';
import { checkRunName, listRuns } from '../../runs/run-folder.ts';
import { ApiError } from '../api-error.ts';
import { readBody } from '../read-body.ts';
import type { Route } from '../route.ts';
import { startTrainer, startsWithoutFolder } from '../studio/trainer.ts';

const runStartSchema = z.strictObject({
  run: z.string().describe('Its name; an unfinished run of that name goes on.'),
  recipe: z.string().optional().describe('For a new run: the name of a recipe in the folder recipes/.'),
}).meta({ id: 'RunStart' });

const runStartedSchema = z.object({ run: z.string(), pid: z.int() }).meta({ id: 'RunStarted' });

export const runStart: Route = {
  method: 'post',
  path: '/api/runs',
  summary: 'Begin a run, or go on with one',
  access: 'operator',
  body: runStartSchema,
  answers: { 'application/json': runStartedSchema },
  async answer(c, { home, commandLine, limits }) {
    const { run, recipe } = await readBody(c, runStartSchema, limits.bodyBytes), name = checkRunName(run);
    const there = listRuns(home).find((r) => r.name === name);
    if (there?.status === 'running' || startsWithoutFolder(home).some((s) => s.run === name && s.state === 'starting')) throw new ApiError(409, 'already_running', `the run "${name}" is being trained already`, { param: 'run' });
    if (there?.status === 'finished') throw new ApiError(409, 'finished', `the run "${name}" is finished; begin another under a new name`, { param: 'run' });
    const { pid } = startTrainer(commandLine, there ? ['train', '--run', name, '--resume'] : ['train', recipePath(recipe), '--run', name, '--expect'], name, home);
    return c.json({ run: name, pid } satisfies z.output<typeof runStartedSchema>);
  },
};

/** Only recipes of ours: a path from a page could name any file. */
function recipePath(name: string | undefined): string {
  const folder = join(packageRoot(), 'recipes'), names = readdirSync(folder).flatMap((f) => (f.endsWith('.yaml') ? [f.slice(0, -5)] : []));
  if (name === undefined || !names.includes(name) || !existsSync(join(folder, `${name}.yaml`))) throw new ApiError(400, 'invalid_value', `recipe: expected one of ${names.join(', ')}`, { param: 'recipe' });
  return join(folder, `${name}.yaml`);
}
