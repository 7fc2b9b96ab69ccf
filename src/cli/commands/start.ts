// `tiefsuche start` (npm start): the quickstart. On a terminal the studio opens and shows it learning; elsewhere, or with
// --exit, it is trained and that is all.
import { nativeBuilt } from '../../engine/backends/cpu/cpu.ts';
import type { Command } from '../command.ts';
import { wholeNumber } from '../option-values.ts';
import { againName, isFinished, trainQuickstart } from './quickstart.ts';

export const start: Command = {
  name: 'start',
  summary: 'open the studio; train the quickstart model if there is none',
  options: [
    { flags: '--again', text: 'train once more under a new name' },
    { flags: '--tiny', text: 'a smaller model on one family of problems, for a machine without a compiler' },
    { flags: '--exit', text: 'train and exit, open no studio' },
    { flags: '--studio', text: 'open the studio also where nobody sits at a terminal' },
    { flags: '--port <n>', text: 'of the studio; the next free one if it is busy, any with 0', fallback: 8642, parse: wholeNumber('--port', { max: 65535 }) },
  ],
  reports: true,
  examples: [
    { line: 'tiefsuche start', text: 'the studio, and (the first time) a model that learns' },
    { line: 'tiefsuche start --exit', text: 'train and exit' },
  ],
  async run(context) {
    const { terminal, options, json } = context, recipe = options['tiny'] ? 'tiny' : 'quickstart';
    const run = options['again'] ? againName(recipe) : recipe;
    if (recipe === 'quickstart' && !nativeBuilt() && !isFinished(run)) {
      const { explainNoCompiler } = await import('../no-compiler.ts');
      await explainNoCompiler(terminal);
      return 1;
    }
    if (!options['exit'] && (terminal.interactive || options['studio'])) {
      const { openStudio } = await import('../open-studio.ts');
      return openStudio({ run, recipe, port: Number(options['port']), json }, terminal);
    }
    if (!await trainQuickstart(run, recipe, { ...context, json }) && !json) terminal.print(`the run "${run}" is finished: tiefsuche start opens the studio, tiefsuche chat ${run} talks with it`);
  },
};
