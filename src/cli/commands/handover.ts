// `tiefsuche handover RUN --to trl|vllm`: a folder with all that a cluster needs to go on with a run, or to serve it.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { TiefsucheError } from '../../errors.ts';
import { openRun } from '../../runs/run-folder.ts';
import { handOver, sides } from '../../training/handover/handover.ts';
import { readRecipe } from '../../training/recipe-parts.ts';
import { recipeFolderOf } from '../../training/train.ts';
import type { Command } from '../command.ts';
import { wholeNumber } from '../option-values.ts';

export const handover: Command = {
  name: 'handover',
  summary: 'a folder with which a cluster goes on with a run, or serves it',
  description: `Writes the model as a Hugging Face folder, the data and the settings in the words of the other side, a Slurm job and a README.
What was trained there comes back with \`tiefsuche import\`.`,
  arguments: [{ name: '<run>', text: 'a finished run' }],
  options: [
    { flags: '--to <side>', text: sides.map((s) => s.name).join(' or ') },
    { flags: '--nodes <n>', text: 'nodes', fallback: 1, parse: wholeNumber('--nodes', { min: 1, max: 10_000 }) },
    { flags: '--gpus <n>', text: 'GPUs on each node; 0: processors alone', fallback: 8, parse: wholeNumber('--gpus', { min: 0, max: 64 }) },
    { flags: '--processes <n>', text: 'processes on a node without GPUs', fallback: 1, parse: wholeNumber('--processes', { min: 1, max: 1024 }) },
    { flags: '--method <method>', text: 'with trl: which stage goes on, the last of sft or of grpo; the run\'s last by default' },
    { flags: '--steps <n>', text: 'steps to train there; as the recipe says by default', parse: wholeNumber('--steps', { min: 1 }) },
    { flags: '--out <folder>', text: 'where to write it; RUN-handover by default' },
  ],
  reports: true,
  examples: [
    { line: 'tiefsuche handover mine --to trl --nodes 4 --gpus 8', text: 'its last stage goes on on 32 GPUs' },
    { line: 'tiefsuche handover mine --to vllm --gpus 2', text: 'serve it there' },
  ],
  async run({ args, options, json, terminal }) {
    const { to, nodes, gpus, processes, steps, method, out } = options as { to?: string; nodes: number; gpus: number; processes: number; steps?: number; method?: string; out?: string };
    const side = sides.find((s) => s.name === to), run = openRun(args[0]!), folder = resolve(out ?? `${run.name}-handover`);
    if (!side) throw new TiefsucheError('USAGE', to === undefined ? 'to whom?' : `nothing is handed over to "${to}"`, { hint: `--to ${sides.map((s) => s.name).join(' or --to ')}` });
    if (!existsSync(run.final)) throw new TiefsucheError('NOT_FOUND', `the run "${run.name}" has no finished model yet`, { hint: `Finish it with \`tiefsuche train --run ${run.name} --resume\`.` });
    if (existsSync(folder)) throw new TiefsucheError('EXISTS', `${folder} is there already`, { hint: 'Choose another folder with --out.' });
    await handOver({ run, recipe: readRecipe(readFileSync(run.recipe, 'utf8'), { name: run.recipe }), recipeFolder: recipeFolderOf(run), nodes, gpus, processes, steps, method }, side, folder);
    if (json) return terminal.print(JSON.stringify({ out: folder, files: readdirSync(folder) }));
    terminal.print(`${terminal.out.bold(folder)}  ${readdirSync(folder).join(', ')}\n${join(folder, 'README.md')} says how to start it`);
  },
};
