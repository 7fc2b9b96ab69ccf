// `tiefsuche quickstart`: trains the quickstart model and exits. `start` does the same and then opens the chat.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../ledger/provenance.ts';
import { listRuns, openRun } from '../../runs/run-folder.ts';
import type { Command, CommandContext } from '../command.ts';
import { runTraining } from '../run-training.ts';

const exists = (run: string): boolean => listRuns().some((r) => r.name === run);
export const isFinished = (run: string): boolean => exists(run) && existsSync(openRun(run).summary);

/** Trains, resumes, or finds finished the run of this name; false if it was finished before. */
export async function trainQuickstart(run: string, recipe: string, { json, terminal }: Pick<CommandContext, 'json' | 'terminal'>): Promise<boolean> {
  if (isFinished(run)) {
    if (json) terminal.print(JSON.stringify(JSON.parse(readFileSync(openRun(run).summary, 'utf8'))));
    return false;
  }
  await runTraining({ recipe: exists(run) ? undefined : join(packageRoot(), 'recipes', `${recipe}.yaml`), run, json, expectTime: true }, terminal);
  return true;
}

/** A name that no run has: quickstart-2, quickstart-3, … */
export function againName(recipe: string): string {
  const names = new Set(listRuns().map((r) => r.name));
  let n = 2;
  while (names.has(`${recipe}-${n}`)) n++;
  return `${recipe}-${n}`;
}

export const quickstart: Command = {
  name: 'quickstart',
  summary: 'train the quickstart model and exit',
  description: `Trains a small reasoning model from random weights: demonstrations first, then reinforcement on problems whose
answers can be checked. A run that was begun goes on; a finished one is left alone.`,
  options: [
    { flags: '--run <name>', text: 'name of the run', fallback: 'quickstart' },
    { flags: '--again', text: 'train once more under a new name' },
  ],
  reports: true,
  examples: [
    { line: 'tiefsuche quickstart', text: 'train; the run is called quickstart' },
    { line: 'tiefsuche quickstart --again', text: 'train another one' },
  ],
  async run(context) {
    const run = context.options['again'] ? againName('quickstart') : String(context.options['run']);
    if (!await trainQuickstart(run, 'quickstart', context) && !context.json) context.terminal.print(`the run "${run}" is finished: tiefsuche chat ${run}`);
  },
};
