// Problems from a file (.jsonl, .json, .parquet) as a task, so that reinforcement and evaluation take them like any other:
// rows with a prompt (text or messages) and, unless the verifier knows it, an answer.

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { TiefsucheError } from '../errors.ts';
import { RandomStream } from '../engine/random.ts';
import type { ProblemMix } from '../reasoning/problems.ts';
import type { Problem, Task } from '../reasoning/tasks/index.ts';
import { type VerifierName, verifierNamed } from '../reasoning/verifiers.ts';
import { readRows } from './rows-file.ts';

export interface FileTaskSettings {
  readonly task: string;
  readonly file?: string | undefined;
  readonly test_file?: string | undefined;
  readonly verifier?: VerifierName | undefined;
  readonly thinking?: boolean | undefined;
}

interface Row { readonly prompt: string; readonly expected: string }

/** The mix with its files read; paths start from `folder`. */
export async function withFiles<M extends ProblemMix>(mix: M, folder: string): Promise<M> {
  return { ...mix, tasks: await Promise.all(mix.tasks.map(async (t) => ('file' in t && t.file !== undefined ? { ...t, source: await fileTask(t as FileTaskSettings, folder) } : t))) };
}

export async function fileTask({ task: name, file, test_file, verifier = 'exact', thinking = false }: FileTaskSettings, folder: string): Promise<Task> {
  const judge = verifierNamed(verifier), all = await rowsOf(resolve(folder, file!), verifier), test = test_file === undefined ? all : await rowsOf(resolve(folder, test_file), verifier);
  const train = all.filter((row) => row.expected !== ''); // an empty right answer would teach to be silent
  return {
    name, title: { de: name, en: name }, difficulties: [{ level: 1, meaning: { de: file!, en: file! } }], defaultDifficulty: 1, phrases: [], thinks: thinking,
    instances: () => train.length,
    generate({ seed, index, language, split }): Problem {
      const rows = split === 'train' ? train : test, at = split === 'train' ? new RandomStream(seed, 2 ** 43 + index).integer(0, rows.length - 1) : index % rows.length;
      const { prompt, expected } = rows[at]!;
      return { task: name, id: `${name} ${split} ${at}`, difficulty: 1, language, prompt, answer: expected, data: null };
    },
    solve: ({ answer }) => ({ thinking: '', answer }),
    verify: ({ answer }, content) => judge.verify(answer, content),
    partial: ({ answer }, content) => judge.partial?.(answer, content) ?? 0,
    guess: (_, rng) => rng.pick(train).expected,
  };
}

async function rowsOf(path: string, verifier: VerifierName): Promise<Row[]> {
  if (!existsSync(path)) throw new TiefsucheError('NOT_FOUND', `there is no data file ${path}`, { hint: 'Paths in a recipe start from the folder of the recipe.' });
  const rows = (await readRows(path)).map((row, i) => {
    const prompt = promptOf(row);
    if (prompt === undefined) throw new TiefsucheError('INPUT', `${path}, row ${i + 1} has no prompt (keys: ${Object.keys(row).join(', ')})`);
    return { prompt, expected: verifierNamed(verifier).expected(prompt, textOf(row, ['answer', 'completion', 'output', 'response'])) };
  });
  if (rows.length === 0) throw new TiefsucheError('INPUT', `${path} has no rows`);
  return rows;
}

const textOf = (row: Record<string, unknown>, keys: readonly string[]): string | undefined => keys.map((k) => row[k]).find((v): v is string => typeof v === 'string');

/** The text of a row's prompt: its own, or that of the last message of the user. */
function promptOf(row: Record<string, unknown>): string | undefined {
  const messages = [row['prompt'], row['messages']].find(Array.isArray) as { role?: unknown; content?: unknown }[] | undefined;
  const last = messages?.filter((m) => m.role === 'user').at(-1)?.content;
  return typeof last === 'string' ? last : textOf(row, ['prompt', 'question', 'instruction']);
}
