// Problems from a file (.jsonl, .json, .parquet) as a task, so that reinforcement and evaluation take them like any other:
// rows with a prompt (text or messages) and, unless the verifier knows it, an answer.

import { resolve } from 'node:path';
import { TiefsucheError } from '../errors.ts';
import { RandomStream } from '../engine/random.ts';
import type { ProblemMix } from '../reasoning/problems.ts';
import type { Asked, Problem, Task } from '../reasoning/tasks/index.ts';
import { type VerifierName, verifierNamed } from '../reasoning/verifiers.ts';
import type { ChatMessage } from '../tokenizer/chat-template.ts';
import { dialogueOf } from './dialogue.ts';
import { placedRows, requireDataFile } from './rows-file.ts';

export interface FileTaskSettings {
  readonly task: string;
  readonly file?: string | undefined;
  readonly test_file?: string | undefined;
  readonly verifier?: VerifierName | undefined;
  readonly thinking?: boolean | undefined;
}

interface Row extends Required<Asked> { readonly expected: string }

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
    asked: (split) => (split === 'train' ? train : test),
    generate({ seed, index, language, split }): Problem {
      const rows = split === 'train' ? train : test, at = split === 'train' ? new RandomStream(seed, 2 ** 43 + index).integer(0, rows.length - 1) : index % rows.length;
      const { prompt, messages, tools, expected } = rows[at]!;
      return { task: name, id: `${name} ${split} ${at}`, difficulty: 1, language, prompt, messages, tools, answer: expected, data: null };
    },
    solve: ({ answer }) => ({ thinking: '', answer }),
    verify: ({ answer }, content) => judge.verify(answer, content),
    partial: ({ answer }, content) => judge.partial?.(answer, content) ?? 0,
    guess: (_, rng) => rng.pick(train).expected,
  };
}

async function rowsOf(path: string, verifier: VerifierName): Promise<Row[]> {
  requireDataFile(path);
  const rows = (await placedRows(path)).map(({ where, get }) => {
    const { messages, tools, answer } = askedIn(get(), where), prompt = String(messages.findLast((m) => m.role === 'user')?.content ?? '');
    return { prompt, messages, tools, expected: verifierNamed(verifier).expected(prompt, answer) };
  });
  if (rows.length === 0) throw new TiefsucheError('INPUT', `${path} has no rows`);
  return rows;
}

/** What a row asks, and the answer if it has one: some verifiers know it from the prompt. */
function askedIn(row: Record<string, unknown>, where: string): { messages: readonly ChatMessage[]; tools?: readonly unknown[] | undefined; answer?: string } {
  const { prompt } = row, asked = Array.isArray(prompt) ? (prompt as ChatMessage[]) : typeof prompt === 'string' ? [{ role: 'user', content: prompt }] : null;
  if (asked && ['completion', 'response'].every((key) => row[key] === undefined)) return { messages: asked, tools: Array.isArray(row['tools']) ? (row['tools'] as unknown[]) : undefined, ...(typeof row['answer'] === 'string' && { answer: row['answer'] }) };
  const dialogue = dialogueOf(row, where);
  if (dialogue.form === 'text') throw new TiefsucheError('INPUT', `${where} is plain text, which asks nothing`);
  return { messages: dialogue.messages.slice(0, -1), tools: dialogue.tools, answer: String(dialogue.messages.at(-1)!.content) };
}
