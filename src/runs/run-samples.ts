// What a run keeps of its thoughts: samples/step-NNNNNNNN-LABEL.json, the same problems each time, written at evaluations
// (with accuracies) and between them (label `glimpse`: the shown problems alone).

import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

export const shownAnswerSchema = z.object({ task: z.string(), prompt: z.string(), thinking: z.string(), content: z.string(), expected: z.string(), right: z.boolean() });

const familySchema = z.object({ accuracy: z.number(), n: z.int(), interval: z.tuple([z.number(), z.number()]) });

export const runSampleSchema = z.object({
  label: z.string().describe('before, between, after, after_without_thinking; glimpse: only the shown problems, no accuracy.'),
  step: z.int(),
  mean: z.number().optional(),
  families: z.record(z.string(), familySchema).optional(),
  shown: z.array(shownAnswerSchema),
});

export type RunSample = z.output<typeof runSampleSchema>;

/** Of one step; what the run came to stands last. */
const order = ['glimpse', 'before', 'between', 'after_without_thinking', 'after'];

/** All that are whole, by step. */
export function readSamples(folder: string): RunSample[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => /^step-\d+-\w+\.json$/.test(name)).flatMap((name) => {
    try {
      return [runSampleSchema.parse(JSON.parse(readFileSync(join(folder, name), 'utf8')))];
    } catch {
      return [];
    }
  }).sort((a, b) => a.step - b.step || order.indexOf(a.label) - order.indexOf(b.label));
}
