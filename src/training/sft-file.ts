// Training text from a file: JSON lines or Parquet with `messages`, `prompt`/`completion` (also question/answer and
// instruction/output), or `text`. What the model should learn to write is trained, the rest is only read.

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { TiefsucheError } from '../errors.ts';
import { RandomStream } from '../engine/random.ts';
import { type LanguageModel, promptIds, stopIds } from '../models/language-model.ts';
import type { Example } from './batches.ts';
import { readRows } from './rows-file.ts';

export const fileSchema = z.strictObject({
  file: z.string(),
  /** Rows kept back for the held-out loss come from this file, or else from the end of `file`. */
  test_file: z.string().optional(),
  /** Longer examples are left out (their number is reported). */
  max_tokens: z.int().min(2).default(512),
});

type Row = Record<string, unknown>;

export async function fileExamples(language: LanguageModel, folder: string, { file, test_file, max_tokens }: z.output<typeof fileSchema>, seed: number, heldout: number): Promise<{ train: (index: number) => Example; test: Example[] }> {
  const read = async (path: string): Promise<Example[]> => {
    const full = resolve(folder, path);
    if (!existsSync(full)) throw new TiefsucheError('NOT_FOUND', `there is no data file ${full}`, { hint: 'Paths in a recipe start from the folder of the recipe.' });
    const examples = (await readRows(full)).map((row, i) => exampleOf(language, row, `${path}, row ${i + 1}`)).filter((e) => e.ids.length <= max_tokens);
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

const text = (row: Row, ...keys: string[]): string | undefined => {
  for (const key of keys) if (typeof row[key] === 'string') return row[key] as string;
  return undefined;
};

/** One row as ids with the start of the trained part. */
export function exampleOf(language: LanguageModel, row: Row, where: string): Example {
  const { tokenizer } = language, stop = stopIds(language)[0];
  const completed = (prompt: Int32Array, completion: string): Example => {
    const ids = [...prompt, ...tokenizer.encode(completion), ...(stop === undefined ? [] : [stop])];
    return { ids: Int32Array.from(ids), from: prompt.length };
  };
  const { messages } = row as { messages?: { role: string; content: string }[] };
  if (Array.isArray(messages) && messages.at(-1)?.role === 'assistant') return completed(promptIds(language, messages.slice(0, -1)), messages.at(-1)!.content);
  const prompt = text(row, 'prompt', 'question', 'instruction'), completion = text(row, 'completion', 'answer', 'output', 'response');
  if (prompt !== undefined && completion !== undefined) return completed(promptIds(language, [{ role: 'user', content: prompt }]), completion);
  const plain = text(row, 'text');
  if (plain !== undefined) {
    const ids = [...tokenizer.encode(plain, { addSpecialTokens: true }), ...(stop === undefined ? [] : [stop])];
    return { ids: Int32Array.from(ids), from: 1 };
  }
  throw new TiefsucheError('INPUT', `${where}: neither messages that end with the assistant, nor prompt and completion, nor text (keys: ${Object.keys(row).join(', ')})`);
}
