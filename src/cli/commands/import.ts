// `tiefsuche import FOLDER`: what a cluster made of a run that was handed over, back in this house as a run of its own.
import { basename, resolve } from 'node:path';
import { homeFolder } from '../../home.ts';
import { bringBack } from '../../training/handover/bring-back.ts';
import type { Command } from '../command.ts';
import { duration } from '../figures.ts';
import { decimal } from '../option-values.ts';

export const importCommand: Command = {
  name: 'import',
  summary: 'bring back what a cluster made of a run that was handed over',
  description: 'Reads the folder that `handover` wrote, with the result in it: model, metrics, time and energy become a run here, with its place in the ledger.',
  arguments: [{ name: '<folder>', text: 'the folder of the handover, as the job left it' }],
  options: [
    { flags: '--run <name>', text: 'name of the run; the folder\'s by default' },
    { flags: '--watts <w>', text: 'power of a node, where the job counted no energy', parse: decimal('--watts', { min: 0 }) },
  ],
  reports: true,
  examples: [{ line: 'tiefsuche import mine-handover --run mine-2 --watts 6000', text: 'then: tiefsuche eval mine-2, tiefsuche bill mine-2' }],
  async run({ args, options, json, terminal }) {
    const { run: name, watts } = options as { run?: string; watts?: number }, folder = resolve(args[0]!);
    const { run, steps, seconds, joules } = await bringBack(folder, name ?? basename(folder), homeFolder(), watts);
    if (json) return terminal.print(JSON.stringify({ run: run.name, path: run.path, steps, seconds, joules }));
    terminal.print(`${terminal.out.bold(run.name)}  ${steps} steps in ${duration(seconds)}, ${joules.value === null ? 'energy unknown' : `${Math.round(joules.value)} J, ${joules.grade}`}  ${terminal.out.dim(run.path)}`);
  },
};
