// The model a recipe begins with: a new one from its configuration, or one that exists (run, folder, GGUF).

import { TiefsucheError } from '../errors.ts';
import { z } from 'zod';
import type { Backend } from '../engine/backend.ts';
import { type LanguageModel, openLanguageModel, textSide } from '../models/language-model.ts';
import { Model } from '../models/model.ts';
import { resolveModelPath } from '../models/model-path.ts';
import { taskNamed } from '../reasoning/tasks/index.ts';
import { taskTokenizer } from '../reasoning/task-tokenizer.ts';

export const tokenizerSchema = z.strictObject({
  /** Words and phrases of these tasks. */
  tasks: z.array(z.string()).min(1).optional(),
});

export const loraSchema = z.strictObject({
  rank: z.int().min(1),
  alpha: z.number().positive().default(32),
  targets: z.array(z.string()).optional(),
  /** How the frozen weights are held: in f32, or in the few bits of their file (QLoRA). The values are the same. */
  base: z.enum(['f32', 'file']).optional(),
});

export interface ModelSource {
  readonly model: { readonly from: string } | ({ readonly type: string } & Readonly<Record<string, unknown>>);
  readonly tokenizer: Readonly<Record<string, unknown>>;
  readonly seed: number;
  readonly lora?: z.output<typeof loraSchema> | undefined;
  readonly recompute?: boolean | undefined;
}

/** @param dry shapes only: the weights are neither drawn nor read */
export function makeModel(backend: Backend, source: ModelSource, folder: string, home: string, { dry = false } = {}): LanguageModel {
  const { model: spec, seed, lora, recompute = false } = source;
  const options = { trainable: true, recompute, ...(lora && { lora: { rank: lora.rank, alpha: lora.alpha, ...(lora.targets && { targets: lora.targets }) } }) };
  if ('from' in spec && typeof spec.from === 'string') {
    const language = openLanguageModel(backend, resolveModelPath(spec.from, folder, home), { ...options, dry, precision: lora?.base ?? 'f32' });
    if (!lora && language.model.lora) {
      language.model.close();
      throw new TiefsucheError('UNSUPPORTED', `${spec.from} has adapters of its own; what trains all weights begins with a whole model`, { hint: 'Finish that run and begin with its end.' });
    }
    if (!dry) language.model.lora?.parameters.initialise(seed);
    return language;
  }
  if (lora?.base === 'file') throw new TiefsucheError('CONFIG', 'lora.base: file keeps weights as their file has them, and a new model comes from none', { hint: 'Take the model `from` a folder or GGUF file, or leave `base` out.' });
  const { tasks } = tokenizerSchema.parse(source.tokenizer);
  if (!tasks) throw new TiefsucheError('CONFIG', 'a new model needs a tokenizer', { hint: 'Say `tokenizer: {tasks: [countdown, …]}`.' });
  const text = textSide({ ...taskTokenizer(tasks.map(taskNamed)), generationConfig: {} });
  const { type, ...rest } = spec as { type: string } & Record<string, unknown>;
  const model = new Model(backend, { model_type: type, vocab_size: text.tokenizer.vocabSize, ...rest }, options);
  if (!dry) for (const parameters of [model.parameters, model.lora?.parameters]) parameters?.initialise(seed);
  return { model, ...text };
}
