// The data of a supervised stage as conversations with prompt and completion apart, which is the form whose prompt TRL does
// not train. Problems of tasks become demonstrations, drawn as our own training draws them.

import { resolve } from 'node:path';
import { TiefsucheError } from '../../errors.ts';
import { drawFrom, drawProblem } from '../../reasoning/problems.ts';
import { formatThought } from '../../reasoning/thinking.ts';
import type { ChatMessage } from '../../tokenizer/chat-template.ts';
import { readDialogues } from '../data-report.ts';
import { withFiles } from '../file-task.ts';
import type { sftSchema } from '../sft.ts';
import type { z } from 'zod';

export type HandedRow = { readonly prompt: readonly ChatMessage[]; readonly completion: readonly ChatMessage[] } | { readonly text: string };

export async function handedRows({ data, steps, batch, heldout_size }: z.output<typeof sftSchema>, seed: number, folder: string): Promise<{ train: HandedRow[]; test: HandedRow[] }> {
  if ('file' in data) {
    const of = async (file: string): Promise<HandedRow[]> => (await readDialogues(resolve(folder, file))).map((d) => {
      if (d.form === 'text') return { text: d.text };
      if (d.tools) throw new TiefsucheError('UNSUPPORTED', `${file} has tools, which are not handed over yet`);
      return { prompt: d.messages.slice(0, -1), completion: d.messages.slice(-1) };
    });
    return { train: await of(data.file), test: data.test_file === undefined ? [] : await of(data.test_file) };
  }
  const mix = await withFiles(data, folder), row = ({ problem, task, random }: ReturnType<typeof drawProblem>): HandedRow => {
    const { thinking, answer } = task.solve(problem, random, 'paper');
    return { prompt: problem.messages ?? [{ role: 'user', content: problem.prompt }], completion: [{ role: 'assistant', content: task.thinks === false ? answer : formatThought(thinking, answer) }] };
  };
  return {
    train: Array.from({ length: steps * batch }, (_, i) => row(drawProblem(mix, seed, i, 'train'))),
    test: mix.tasks.flatMap((_, family) => Array.from({ length: Math.ceil(heldout_size / mix.tasks.length) }, (__, i) => row(drawFrom(mix, family, seed + 1, i, 'test')))),
  };
}
