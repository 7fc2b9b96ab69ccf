// `tiefsuche start` (npm start): the quickstart, then a chat with visible thinking.
import { nativeBuilt } from '../../engine/backends/cpu/cpu.ts';
import type { Command } from '../command.ts';
import { talk } from '../talk.ts';
import { againName, isFinished, trainQuickstart } from './quickstart.ts';

export const start: Command = {
  name: 'start',
  summary: 'train the quickstart model if there is none, then chat with it',
  options: [
    { flags: '--again', text: 'train once more under a new name' },
    { flags: '--tiny', text: 'a smaller model on one family of problems, for a machine without a compiler' },
    { flags: '--exit', text: 'train and exit, open no chat' },
  ],
  examples: [
    { line: 'tiefsuche start', text: 'train (the first time) and chat' },
    { line: 'tiefsuche start --exit', text: 'train and exit' },
  ],
  async run(context) {
    const { terminal, options } = context, recipe = options['tiny'] ? 'tiny' : 'quickstart';
    const run = options['again'] ? againName(recipe) : recipe;
    if (recipe === 'quickstart' && !nativeBuilt() && !isFinished(run)) {
      const { explainNoCompiler } = await import('../no-compiler.ts');
      await explainNoCompiler(terminal);
      return 1;
    }
    await trainQuickstart(run, recipe, { ...context, json: false });
    if (options['exit'] || !terminal.interactive) return;
    await talk(run, terminal);
  },
};
