// Supervised fine-tuning by TRL: rows with prompt and completion apart, the rates and the number of steps of the stage.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import type { sftSchema } from '../sft.ts';
import { handedRows } from './handed-rows.ts';
import type { Handover } from './handover.ts';
import type { StageForTrl } from './trl.ts';

export async function writeSft({ nodes, gpus, processes, steps, recipeFolder }: Handover, raw: Readonly<Record<string, unknown>>, seed: number, place: string): Promise<StageForTrl> {
  const stage = raw as unknown as z.output<typeof sftSchema>, rows = await handedRows(stage, seed, recipeFolder);
  for (const split of ['train', 'test'] as const) if (rows[split].length > 0) writeFileSync(join(place, 'data', `${split}.jsonl`), rows[split].map((row) => `${JSON.stringify(row)}\n`).join(''));
  const workers = nodes * (gpus > 0 ? gpus : processes), maxTokens = 'file' in stage.data ? stage.data.max_tokens : undefined;
  return {
    yaml: {
      ...(rows.test.length > 0 && { dataset_test_split: 'test', eval_strategy: 'steps', eval_steps: steps ?? stage.steps }),
      per_device_train_batch_size: Math.max(1, Math.round(stage.batch / workers)), gradient_accumulation_steps: 1,
      ...(maxTokens !== undefined && { max_length: maxTokens }), ...('text' in rows.train[0]! ? {} : { completion_only_loss: true }), packing: false,
    },
    readme: [`\`sft.yaml\` is the stage of our recipe in TRL's words: ${rows.train.length} rows, a step of ${stage.batch} on all processes together. Different there: the order of the rows, and the learning rate falls to zero where ours falls to a part of itself.`],
  };
}
