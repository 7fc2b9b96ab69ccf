// Training text from a file: JSON lines, JSON or Parquet in any form of dialogue.ts. What the model should learn to write
// is trained, the rest is only read.

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { TiefsucheError } from '../errors.ts';
import { RandomStream } from '../engine/random.ts';
import type { LanguageModel } from '../models/language-model.ts';
import type { Example } from './batches.ts';
import { dialogueOf } from './dialogue.ts';
import { dialogueExamples } from './dialogue-examples.ts';
import { readRows } from './rows-file.ts';

export const fileSchema = z.strictObject({
  file: z.string(),
  /** Rows kept back for the held-out loss come from this file, or else from the end of `file`. */
  test_file: z.string().optional(),
  /** Longer examples are left out (their number is reported). */
  max_tokens: z.int().min(2).default(512),
});

export async function fileExamples(language: LanguageModel, folder: string, { file, test_file, max_tokens }: z.output<typeof fileSchema>, seed: number, heldout: number): Promise<{ train: (index: number) => Example; test: Example[] }> {
  const read = async (path: string): Promise<Example[]> => {
    const full = resolve(folder, path);
    if (!existsSync(full)) throw new TiefsucheError('NOT_FOUND', `there is no data file ${full}`, { hint: 'Paths in a recipe start from the folder of the recipe.' });
    const examples = (await readRows(full)).flatMap((row, i) => { const where = `${path}, row ${i + 1}`; return dialogueExamples(language, dialogueOf(row, where), where); }).filter((e) => e.ids.length <= max_tokens);
    if (examples.length === 0) throw new TiefsucheError('INPUT', `no row of ${path} fits ${max_tokens} tokens`, { hint: 'Raise data.max_tokens.' });
    return examples;
  };
  let train = await read(file), test: Example[];
  if (test_file) test = (await read(test_file)).slice(0, heldout);
  else {
    const kept = Math.min(heldout, Math.floor(train.length / 10));
    test = train.slice(train.length - kept);
    train = train.slice(0, train.length - kept);
  }
  const orders = new Map<number, number[]>();
  const order = (epoch: number): number[] => {
    let shuffled = orders.get(epoch);
    if (!shuffled) { orders.clear(); orders.set(epoch, shuffled = new RandomStream(seed, 2 ** 41 + epoch).shuffle([...train.keys()])); }
    return shuffled;
  };
  return { train: (index) => train[order(Math.floor(index / train.length))[index % train.length]!]!, test };
}
