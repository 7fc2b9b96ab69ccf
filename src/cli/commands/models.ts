// `tiefsuche models`: what can be talked to here: finished runs, and what lies in the models folder.
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { homeFolder, runsFolder } from '../../home.ts';
import type { Command } from '../command.ts';
import { si, table } from '../figures.ts';

export interface ListedModel { readonly name: string; readonly path: string; readonly type: string; readonly bytes: number; readonly from: 'run' | 'file' }

export function listModels(home: string = homeFolder()): ListedModel[] {
  const names = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder).sort() : []);
  const sizeOf = (path: string): number => (statSync(path).isDirectory() ? readdirSync(path).reduce((n, f) => n + statSync(join(path, f)).size, 0) : statSync(path).size);
  const typeOf = (path: string): string => {
    if (path.endsWith('.gguf')) return 'gguf';
    try { return String((JSON.parse(readFileSync(join(path, 'config.json'), 'utf8')) as { model_type?: unknown }).model_type); } catch { return 'unreadable'; }
  };
  const listed = (name: string, path: string, from: 'run' | 'file'): ListedModel[] =>
    (path.endsWith('.gguf') || existsSync(join(path, 'config.json')) ? [{ name, path, from, type: typeOf(path), bytes: sizeOf(path) }] : []);
  return [
    ...names(runsFolder(home)).flatMap((name) => listed(name, join(runsFolder(home), name, 'final'), 'run')),
    ...names(join(home, 'models')).flatMap((name) => listed(name, join(home, 'models', name), 'file')),
  ];
}

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
