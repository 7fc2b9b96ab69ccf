// All tasks, and the closed vocabulary their texts are written in. A new task is one file here and one line below.

import { TiefsucheError } from '../../errors.ts';
import { thinkClose, thinkOpen } from '../thinking.ts';
import type { Task } from './task.ts';
import { arithmetic } from './arithmetic.ts';
import { calendar } from './calendar.ts';
import { countdown } from './countdown.ts';
import { order } from './order.ts';

export * from './task.ts';

export const tasks: readonly Task[] = [countdown, arithmetic, calendar, order];

export function taskNamed(name: string): Task {
  const task = tasks.find((one) => one.name === name);
  if (task) return task;
  throw new TiefsucheError('NOT_FOUND', `there is no task ${name}`,
    { hint: `tasks: ${tasks.map((one) => one.name).join(', ')}` });
}

const characters = [...'0123456789+-*/=()<>.;:? '];

/**
 * The pieces that every text of the tasks is made of, prompts, thinking and answers alike: tags, single characters (a
 * digit is always a piece of its own), words and fixed phrases. `tokeniser` cuts a text into them.
 */
export function vocabulary(of: readonly Task[] = tasks): string[] {
  return [...new Set([thinkOpen, thinkClose, ...characters, ...of.flatMap((task) => task.phrases)])];
}

/** Makes the function that cuts a text into pieces, from the left, always taking the longest that fits. */
export function tokeniser(pieces: readonly string[] = vocabulary()): (text: string) => string[] {
  const byFirst = new Map<string, string[]>();
  for (const piece of [...pieces].sort((a, b) => b.length - a.length)) {
    byFirst.set(piece[0]!, [...(byFirst.get(piece[0]!) ?? []), piece]);
  }
  return (text) => {
    const tokens: string[] = [];
    for (let at = 0; at < text.length; at += tokens.at(-1)!.length) {
      const piece = byFirst.get(text[at]!)?.find((one) => text.startsWith(one, at));
      if (piece === undefined) {
        throw new TiefsucheError('INPUT', `no piece of the vocabulary fits ${JSON.stringify(text.slice(at, at + 20))}`,
          { hint: 'texts of a task are made of its phrases and of the common characters only' });
      }
      tokens.push(piece);
    }
    return tokens;
  };
}
