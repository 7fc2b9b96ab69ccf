// `tiefsuche train RECIPE --run NAME`: a run from its recipe, or `--resume` to go on with one.
import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { TiefsucheError } from '../../errors.ts';
import { listRuns, openRun } from '../../runs/run-folder.ts';
import type { Command } from '../command.ts';
import { runTraining } from '../run-training.ts';

export const train: Command = {
  name: 'train',
  summary: 'train a model by a recipe, or go on with a run',
  description: `Train a model by a recipe. The run is a folder of plain files, $TIEFSUCHE_HOME/runs/NAME.
Ctrl-C stops after the step and saves; --resume goes on, also after a crash, and comes to the same bytes.`,
  arguments: [{ name: '[recipe]', text: 'YAML file; not needed with --resume' }],
  options: [
    { flags: '--run <name>', text: 'name of the run; the recipe\'s file name by default' },
    { flags: '--resume', text: 'go on with the run of that name' },
    { flags: '--set <path=value...>', text: 'change a value of the recipe, for example training.steps=100' },
    { flags: '--plan', text: 'show memory and time, train nothing' },
    { flags: '--expect', text: 'say first how long it will take here, by a few steps' },
  ],
  reports: true,
  examples: [
    { line: 'tiefsuche train recipes/quickstart.yaml --run mine', text: 'a new run' },
    { line: 'tiefsuche train recipes/quickstart.yaml --run quick --set stages.grpo.steps=50', text: 'with fewer steps' },
    { line: 'tiefsuche train --run mine --resume', text: 'go on' },
  ],
  async run({ args, options, json, terminal }) {
    const [recipe] = args, { resume, plan } = options as { resume?: boolean; plan?: boolean };
    if (recipe === undefined && !resume) throw new TiefsucheError('USAGE', 'train needs a recipe', { hint: 'tiefsuche train recipes/quickstart.yaml --run mine, or --run NAME --resume' });
    const run = (options['run'] as string | undefined) ?? (recipe === undefined ? undefined : basename(recipe).replace(/\.ya?ml$/, ''));
    if (run === undefined) throw new TiefsucheError('USAGE', 'which run should go on?', { hint: 'name it with --run' });
    const overrides = (options['set'] as string[] | undefined) ?? [];
    if (plan) {
      const { printPlan } = await import('../plan-view.ts');
      return printPlan(recipe, run, overrides, json, terminal);
    }
    const begun = resume && (recipe === undefined || listRuns().some((r) => r.name === run));
    if (begun && overrides.length > 0) throw new TiefsucheError('USAGE', `the run "${run}" goes on by the recipe it was begun with: --set cannot change it`, { hint: 'Without --set it goes on; with another --run NAME a new run begins with the change.' });
    if (begun && existsSync(openRun(run).summary)) {
      const summary = readFileSync(openRun(run).summary, 'utf8');
      if (json) terminal.print(JSON.stringify(JSON.parse(summary)));
      else terminal.print(`the run "${run}" is finished already`);
      return;
    }
    await runTraining({ recipe: begun ? undefined : recipe, run, overrides, json, expectTime: options['expect'] === true }, terminal);
  },
};
