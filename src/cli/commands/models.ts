// `tiefsuche models`: what can be talked to here, and whether it fits; `models add` takes one from a disk, for houses
// without a network.
import { createInterface } from 'node:readline/promises';
import { TiefsucheError } from '../../errors.ts';
import { type ListedModel, listModels } from '../../models/list-models.ts';
import { local } from '../../models/sources/local.ts';
import type { ModelFit } from '../../reasoning/fit.ts';
import type { Command } from '../command.ts';
import { si, table } from '../figures.ts';
import { fitHere, fitJson, fitText } from '../model-view.ts';
import { addModel, addOptions, type AddOptions } from './pull.ts';

export const models: Command = {
  name: 'models',
  summary: 'list the models that are here, or add one from a disk',
  arguments: [{ name: '[action]', text: 'what to do; list by default', choices: ['list', 'add'] }, { name: '[path]', text: 'with add: a GGUF file or a Hugging Face folder' }],
  options: addOptions,
  reports: true,
  examples: [
    { line: 'tiefsuche models', text: 'finished runs and models, with licence, source and fit' },
    { line: 'tiefsuche models add /media/stick/model.gguf', text: 'copy it here; shows its hash, asks for a licence it does not name' },
  ],
  async run({ args: [action = 'list', path], options, json, terminal }) {
    if (action === 'add') {
      if (path === undefined) throw new TiefsucheError('USAGE', 'which file or folder?', { hint: 'For example: tiefsuche models add model.gguf' });
      if (!local.matches(path)) throw new TiefsucheError('NOT_FOUND', `there is no file or folder ${path}`, { hint: 'Check the path; `tiefsuche pull` fetches models over the network.' });
      return addModel(path, options as AddOptions, (said) => (said === null ? askLicence(terminal.interactive && !json) : Promise.resolve(said)), json, terminal);
    }
    const context = (options as AddOptions).context, all: (ListedModel & { fit: ModelFit | Error })[] = [];
    // One after another: the first measures the machine's bandwidth, the others read it; measured side by side it would be too low, and remembered.
    for (const m of listModels()) all.push({ ...m, fit: await fitHere(m.path, context).catch((error: Error) => error) });
    if (json) return terminal.print(JSON.stringify(all.map(({ fit, ...m }) => ({ ...m, fit: fit instanceof Error ? null : fitJson(fit), ...(fit instanceof Error && { problem: fit.message }) }))));
    if (all.length === 0) return terminal.print('there is no model yet; `tiefsuche start` trains one, `tiefsuche pull` fetches one');
    terminal.print(table([{ title: 'name' }, { title: 'type' }, { title: 'size', align: 'right' }, { title: 'licence' }, { title: 'from' }, { title: 'here' }], all.map((m) => [
      m.name, m.type, `${si(m.bytes)}B`, m.licence ?? (m.from === 'run' ? '' : 'not known'), m.source ?? m.from, m.fit instanceof Error ? terminal.out.red(m.fit.message.slice(0, 60)) : fitText(m.fit),
    ]), terminal.out.dim));
  },
};

/** A model without a licence is nobody's to use: somebody has to say. */
async function askLicence(canAsk: boolean): Promise<string> {
  const ask = new TiefsucheError('USAGE', 'the model does not say under which licence it may be used', { hint: 'Find out, and say it with --licence, for example --licence apache-2.0.' });
  if (!canAsk) throw ask;
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = (await lines.question('The model does not name its licence. Which one is it (for example apache-2.0)? ')).trim();
    if (answer === '') throw ask;
    return answer;
  } finally {
    lines.close();
  }
}
