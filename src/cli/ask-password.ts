// A password from whoever sits at the terminal, typed twice and not shown; from a pipe, its first line.
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { TiefsucheError } from '../errors.ts';

export async function askPassword(whose: string): Promise<string> {
  if (!process.stdin.isTTY) return firstLine();
  const first = await hidden(`Password for ${whose}: `), second = await hidden('Once more: ');
  if (first !== second) throw new TiefsucheError('INPUT', 'the two passwords differ', { hint: 'Nothing was changed; run it again.' });
  return first;
}

async function firstLine(): Promise<string> {
  for await (const line of createInterface({ input: process.stdin })) return line;
  throw new TiefsucheError('INPUT', 'no password came on stdin', { hint: 'Run it in a terminal, or pipe the password in.' });
}

function hidden(prompt: string): Promise<string> {
  process.stderr.write(prompt);
  // readline echoes what is typed to its output: that goes nowhere.
  const lines = createInterface({ input: process.stdin, output: new Writable({ write: (_, __, done) => done() }), terminal: true });
  return new Promise((resolve, reject) => {
    const end = (act: () => void): void => { lines.close(); process.stderr.write('\n'); act(); };
    lines.once('line', (line) => end(() => resolve(line)));
    lines.once('SIGINT', () => end(() => reject(new TiefsucheError('STOPPED', 'stopped; nothing was changed'))));
  });
}
