// `tiefsuche models`: what can be talked to here: finished runs, and what lies in the models folder.
import { listModels } from '../../models/list-models.ts';
import type { Command } from '../command.ts';
import { si, table } from '../figures.ts';

export const models: Command = {
  name: 'models',
  summary: 'list the models that are here',
  reports: true,
  examples: [{ line: 'tiefsuche models', text: 'finished runs and downloaded files' }],
  run({ json, terminal }) {
    const all = listModels();
    if (json) return terminal.print(JSON.stringify(all));
    if (all.length === 0) return terminal.print('there is no model yet; `tiefsuche start` trains one');
    terminal.print(table([{ title: 'name' }, { title: 'type' }, { title: 'size', align: 'right' }, { title: 'from' }], all.map((m) => [m.name, m.type, `${si(m.bytes)}B`, m.from]), terminal.out.dim));
  },
};
