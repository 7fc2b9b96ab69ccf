// What the studio says of a run, as it goes over the wire.

import { z } from 'zod';

export const stageSchema = z.object({
  method: z.string(),
  steps: z.int().nullable().describe('As the recipe says; null where data decides.'),
  from: z.int().nullable().describe('Its first step; null: not begun.'),
});

export const runReportSchema = z.object({
  name: z.string(), id: z.string(), why: z.string(),
  status: z.enum(['running', 'finished', 'failed', 'aborted', 'unfinished']),
  attempts: z.int(), begun: z.string().nullable(), ended: z.string().nullable(),
  step: z.int().nullable(), total_steps: z.int().nullable(), stages: z.array(stageSchema),
  stage: z.int().nullable().describe('Index of the stage it stands in.'),
  model_type: z.string().nullable(), parameters: z.int().nullable(),
  seconds: z.number().describe('Worked in all attempts, by the ledger.'),
  seconds_left: z.number().nullable(),
  tokens_trained: z.int(), tokens_sampled: z.int(),
  joules: z.number().nullable(), joules_method: z.string(), euro: z.number().nullable(), euro_per_kwh: z.number(),
  accuracy: z.number().nullable().describe('Mean over families at the latest evaluation.'),
  talks: z.boolean().describe('There is a model to talk with: the end, or a checkpoint.'),
}).meta({ id: 'Run' });

export type RunReport = z.output<typeof runReportSchema>;

export const runMetricsSchema = z.object({
  generation: z.string().describe('When it changes, rows read before no longer count.'),
  from: z.int().describe('Rows after this step.'),
  rows: z.array(z.looseObject({ step: z.int(), stage: z.string().optional() })),
}).meta({ id: 'RunMetrics' });

export type RunMetrics = z.output<typeof runMetricsSchema>;
