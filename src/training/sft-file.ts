// Training text from a file: JSON lines, JSON or Parquet in any form of dialogue.ts. What the model should learn to write
// is trained, the rest is only read.

import { resolve } from 'node:path';
import { z } from 'zod';
import { TiefsucheError } from '../errors.ts';
import { RandomStream } from '../engine/random.ts';
import type { TextSide } from '../models/language-model.ts';
import { type Example, targetCount } from './batches.ts';
import { dialogueOf } from './dialogue.ts';
import { dialogueExamples } from './dialogue-examples.ts';
import type { EncodedFiles } from './method.ts';
import { placedRows, requireDataFile } from './rows-file.ts';

export const fileSchema = z.strictObject({
  file: z.string(),
  /** Rows kept back for the held-out loss come from this file, or else from the end of `file`. */
  test_file: z.string().optional(),
  /** Longer examples are left out; `tiefsuche data inspect` shows their lengths. */
  max_tokens: z.int().min(2).default(512),
});

/** All rows of a file that fit. */
export async function readExamples(language: TextSide, folder: string, { file, max_tokens }: { readonly file: string; readonly max_tokens: number }, files: EncodedFiles = new Map()): Promise<Example[]> {
  const full = resolve(folder, file), known = files.get(full);
  if (known) return known.filter((e) => e.ids.length <= max_tokens);
  requireDataFile(full);
  const all = (await placedRows(full)).flatMap(({ where, get }) => dialogueExamples(language, dialogueOf(get(), where), where)), examples = all.filter((e) => e.ids.length <= max_tokens);
  files.set(full, all);
  if (examples.length === 0) throw new TiefsucheError('INPUT', `no row of ${file} fits ${max_tokens} tokens`, { hint: 'Raise data.max_tokens.' });
  return examples;
}

/** The examples with the most tokens and with the most targets: what memory must be planned for. */
export const largest = (examples: readonly Example[]): Example[] => [(e: Example) => e.ids.length, targetCount].map((size) => examples.reduce((most, e) => (size(e) > size(most) ? e : most)));

export async function fileExamples(language: TextSide, folder: string, { file, test_file, max_tokens }: z.output<typeof fileSchema>, seed: number, heldout: number, files: EncodedFiles = new Map()): Promise<{ train: (index: number) => Example; test: Example[]; /** What needs the most room. */ longest: Example[]; /** Of a training row. */ meanTokens: number }> {
  let train = await readExamples(language, folder, { file, max_tokens }, files), test: Example[];
  if (test_file) test = (await readExamples(language, folder, { file: test_file, max_tokens }, files)).slice(0, heldout);
  else {
    const kept = Math.min(heldout, Math.floor(train.length / 10));
    test = train.slice(train.length - kept);
    train = train.slice(0, train.length - kept);
  }
  const orders = new Map<number, number[]>();
  const order = (epoch: number): number[] => {
    let shuffled = orders.get(epoch);
    if (!shuffled) { orders.clear(); orders.set(epoch, shuffled = epochOrder(seed, epoch, train.length)); }
    return shuffled;
  };
  return {
    train: (index) => train[order(Math.floor(index / train.length))[index % train.length]!]!, test, longest: largest([...train, ...test]),
    meanTokens: tokenCount(train) / train.length,
  };
}

export const tokenCount = (examples: readonly Example[]): number => examples.reduce((n, e) => n + e.ids.length, 0);

/** Which rows come in which order in an epoch of a stage with this seed. */
export const epochOrder = (seed: number, epoch: number, rows: number): number[] => new RandomStream(seed, 2 ** 41 + epoch).shuffle(Array.from({ length: rows }, (_, i) => i));
