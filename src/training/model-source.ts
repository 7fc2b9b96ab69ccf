// The model a recipe begins with: a new one from its configuration, or one that exists (run, folder, GGUF).

import { resolve } from 'node:path';
import { z } from 'zod';
import { TiefsucheError } from '../errors.ts';
import type { Backend } from '../engine/backend.ts';
import { type LanguageModel, type TextSide, openLanguageModel, textSide } from '../models/language-model.ts';
import { openModelFiles } from '../models/load.ts';
import { Model } from '../models/model.ts';
import { resolveModelPath } from '../models/model-path.ts';
import { taskNamed } from '../reasoning/tasks/index.ts';
import { taskTokenizer } from '../reasoning/task-tokenizer.ts';
import { ownTokenizer } from './own-tokenizer.ts';

export const tokenizerSchema = z.strictObject({
  /** Words and phrases of these tasks. */
  tasks: z.array(z.string()).min(1).optional(),
  /** That of a model that is there (run, folder, GGUF), with its chat template. */
  from: z.string().optional(),
  /** Made from the texts of this file: byte-level BPE with `vocab_size` tokens, or single characters. */
  file: z.string().optional(),
  vocab_size: z.int().min(264).max(1 << 21).optional(),
  characters: z.boolean().optional(),
  /** Whether the model gets a chat template beside such a tokenizer; by default where a stage teaches it to answer. */
  chat: z.boolean().optional(),
}).refine((t) => [t.tasks, t.from, t.file].filter((given) => given !== undefined).length <= 1, { error: 'expected one of tasks, from and file' })
  .refine((t) => t.file === undefined ? t.vocab_size === undefined && t.characters === undefined && t.chat === undefined : (t.vocab_size !== undefined) !== (t.characters === true), { path: ['file'], error: 'expected vocab_size or characters: true beside file, and none of vocab_size, characters, chat without it' });

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
  readonly stages?: readonly { readonly method: string }[];
}

/** @param dry shapes only: the weights are neither drawn nor read */
export async function makeModel(backend: Backend, source: ModelSource, folder: string, home: string, { dry = false } = {}): Promise<LanguageModel> {
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
  const text = await newTextSide(source, folder, home);
  const { type, ...rest } = spec as { type: string } & Record<string, unknown>;
  const model = new Model(backend, { model_type: type, vocab_size: text.tokenizer.vocabSize, ...rest }, options);
  if (!dry) for (const parameters of [model.parameters, model.lora?.parameters]) parameters?.initialise(seed);
  return { model, ...text };
}

async function newTextSide({ tokenizer, stages = [] }: ModelSource, folder: string, home: string): Promise<TextSide> {
  const { tasks, from, file, vocab_size, chat = stages.some(({ method }) => method !== 'pretrain') } = tokenizerSchema.parse(tokenizer);
  if (tasks) return textSide({ ...taskTokenizer(tasks.map(taskNamed)), generationConfig: {} });
  if (file !== undefined) return textSide({ ...await ownTokenizer(resolve(folder, file), vocab_size ?? null, chat), generationConfig: {} });
  if (from === undefined) throw new TiefsucheError('CONFIG', 'a new model needs a tokenizer', { hint: 'Say `tokenizer: {file: texts.jsonl, vocab_size: 4096}`, `{from: MODEL}`, or `{tasks: [countdown, …]}`.' });
  const files = openModelFiles(resolveModelPath(from, folder, home));
  try { return textSide({ ...files, generationConfig: {} }); } finally { files.close(); }
}
