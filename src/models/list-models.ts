// What can be talked to here: ends and checkpoints of runs, and what lies in the models folder; and what their files say
// of them: architecture, size, parameters, context, licence.

import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { homeFolder, runsFolder } from '../home.ts';
import { latestCheckpoint } from './formats/checkpoint-folder.ts';
import { openModelFiles } from './load.ts';
import { readGguf } from './formats/gguf.ts';

export interface ListedModel { readonly name: string; readonly path: string; readonly type: string; readonly bytes: number; readonly from: 'run' | 'file' }

const names = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder).sort() : []);
const sizeOf = (path: string): number => (statSync(path).isDirectory() ? readdirSync(path).reduce((n, f) => n + statSync(join(path, f)).size, 0) : statSync(path).size);

function typeOf(path: string): string {
  if (path.endsWith('.gguf')) return 'gguf';
  try { return String((JSON.parse(readFileSync(join(path, 'config.json'), 'utf8')) as { model_type?: unknown }).model_type); } catch { return 'unreadable'; }
}

/** Finished runs and the models folder. */
export function listModels(home: string = homeFolder()): ListedModel[] {
  const listed = (name: string, path: string, from: 'run' | 'file'): ListedModel[] =>
    (path.endsWith('.gguf') || existsSync(join(path, 'config.json')) ? [{ name, path, from, type: typeOf(path), bytes: sizeOf(path) }] : []);
  return [
    ...names(runsFolder(home)).flatMap((name) => listed(name, join(runsFolder(home), name, 'final'), 'run')),
    ...names(join(home, 'models')).filter((name) => !name.startsWith('.')).flatMap((name) => listed(name, join(home, 'models', name), 'file')),
  ];
}

/** Runs that have no end yet, but a checkpoint. */
export function listCheckpointModels(home: string = homeFolder()): { readonly name: string; readonly path: string }[] {
  return names(runsFolder(home)).filter((name) => !existsSync(join(runsFolder(home), name, 'final', 'config.json'))).flatMap((name) => {
    const path = latestCheckpoint(join(runsFolder(home), name));
    return path === null ? [] : [{ name, path }];
  });
}

export interface ModelFacts {
  readonly type: string;
  readonly parameters: number;
  /** Of the weights as they lie on disk. */
  readonly bytes: number;
  readonly context: number | null;
  readonly licence: string | null;
}

/** Reads headers only. */
export function modelFacts(path: string): ModelFacts {
  const files = openModelFiles(path);
  try {
    const entries = [...files.weights.tensors.values()], context = files.config['max_position_embeddings'];
    return {
      type: files.config.model_type, parameters: entries.reduce((n, { shape }) => n + shape.reduce((a, b) => a * b, 1), 0),
      bytes: path.endsWith('.gguf') ? statSync(path).size : entries.reduce((n, { byteLength }) => n + byteLength, 0),
      context: typeof context === 'number' ? context : null, licence: licenceOf(path),
    };
  } finally {
    files.close();
  }
}

/** As the file names it: `general.license` in GGUF; in a folder the front matter of README.md, else the head of LICENSE. */
function licenceOf(path: string): string | null {
  if (path.endsWith('.gguf')) {
    const file = readGguf(path);
    try {
      const named = file.metadata.get('general.license');
      return typeof named === 'string' ? named : null;
    } finally {
      file.close();
    }
  }
  const read = (name: string): string => (existsSync(join(path, name)) ? readFileSync(join(path, name), 'utf8').slice(0, 4000) : '');
  return /^---\n[^]*?^license: *"?([^"\n]+)"?/m.exec(read('README.md'))?.[1] ?? (read('LICENSE').split('\n').map((l) => l.trim()).find((l) => l !== '') || null);
}
