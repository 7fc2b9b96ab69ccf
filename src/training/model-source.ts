// The model a recipe begins with: a new one from its configuration, or one that exists (run, folder, GGUF).

import { existsSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { TiefsucheError } from '../errors.ts';
import { homeFolder } from '../home.ts';
import { z } from 'zod';
import type { Backend } from '../engine/backend.ts';
import { type LanguageModel, openLanguageModel, textSide } from '../models/language-model.ts';
import { Model } from '../models/model.ts';
import { taskNamed } from '../reasoning/tasks/index.ts';
import { taskTokenizer } from '../reasoning/task-tokenizer.ts';
import { runsFolder } from './run-folder.ts';

export const tokenizerSchema = z.strictObject({
  /** Words and phrases of these tasks. */
  tasks: z.array(z.string()).min(1).optional(),
});

export const loraSchema = z.strictObject({ rank: z.int().min(1), alpha: z.number().positive().default(32), targets: z.array(z.string()).optional() });

/** Where a model named on the command line or in a recipe lies: a path, a run, or a file in the models folder. */
export function resolveModelPath(name: string, folder: string = process.cwd(), home: string = homeFolder()): string {
  const candidates = [isAbsolute(name) ? name : resolve(folder, name), join(runsFolder(home), name, 'final'), join(home, 'models', name)];
  const isModel = (path: string): boolean => existsSync(path) && (path.endsWith('.gguf') || existsSync(join(path, 'config.json')));
  const found = candidates.find(isModel);
  if (found) return found;
  const unfinished = existsSync(join(runsFolder(home), name, 'run.json'));
  throw new TiefsucheError('NOT_FOUND', unfinished ? `the run "${name}" has no finished model yet` : `there is no model "${name}"`, {
    hint: unfinished ? `Finish it with \`tiefsuche train --run ${name} --resume\`.` : 'Give a run name, a Hugging Face folder, or a GGUF file; `tiefsuche models` lists what is here.',
  });
}

export interface ModelSource {
  readonly model: { readonly from: string } | ({ readonly type: string } & Readonly<Record<string, unknown>>);
  readonly tokenizer: Readonly<Record<string, unknown>>;
  readonly seed: number;
  readonly lora?: z.output<typeof loraSchema> | undefined;
}

/** @param dry shapes only: the weights are neither drawn nor read */
export function makeModel(backend: Backend, source: ModelSource, folder: string, home: string, { dry = false } = {}): LanguageModel {
  const { model: spec, seed, lora } = source;
  const options = { trainable: true, ...(lora && { lora: { rank: lora.rank, alpha: lora.alpha, ...(lora.targets && { targets: lora.targets }) } }) };
  if ('from' in spec && typeof spec.from === 'string') {
    const language = openLanguageModel(backend, resolveModelPath(spec.from, folder, home), { ...options, dry });
    if (!dry) language.model.lora?.parameters.initialise(seed);
    return language;
  }
  const { tasks } = tokenizerSchema.parse(source.tokenizer);
  if (!tasks) throw new TiefsucheError('CONFIG', 'a new model needs a tokenizer', { hint: 'Say `tokenizer: {tasks: [countdown, …]}`.' });
  const text = textSide({ ...taskTokenizer(tasks.map(taskNamed)), generationConfig: {} });
  const { type, ...rest } = spec as { type: string } & Record<string, unknown>;
  const model = new Model(backend, { model_type: type, vocab_size: text.tokenizer.vocabSize, ...rest }, options);
  if (!dry) for (const parameters of [model.parameters, model.lora?.parameters]) parameters?.initialise(seed);
  return { model, ...text };
}
