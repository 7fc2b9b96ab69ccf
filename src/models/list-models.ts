// What can be talked to here: ends and checkpoints of runs, and what lies in the models folder; and what their files say
// of them: architecture, size, parameters, context, licence.

import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { homeFolder, runsFolder } from '../home.ts';
import { latestCheckpoint } from './formats/checkpoint-folder.ts';
import type { ModelFiles } from './formats/model-files.ts';
import { licenceOf } from './licence.ts';
import { modelAt, modelsHere } from './model-path.ts';
import { readRecord } from './record.ts';

export interface ListedModel { readonly name: string; readonly path: string; readonly type: string; readonly bytes: number; readonly from: 'run' | 'file'; readonly licence: string | null; /** Where it was pulled from. */ readonly source: string | null }

const names = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder).sort() : []);
const sizeOf = (path: string): number => (statSync(path).isDirectory() ? readdirSync(path).reduce((n, f) => n + statSync(join(path, f)).size, 0) : statSync(path).size);

function typeOf(path: string): string {
  if (path.endsWith('.gguf')) return 'gguf';
  try { return String((JSON.parse(readFileSync(join(path, 'config.json'), 'utf8')) as { model_type?: unknown }).model_type); } catch { return 'unreadable'; }
}

/** A broken file is listed, too; what is wrong with it is said where it is opened. */
function licenceIfReadable(path: string): string | null {
  try { return licenceOf(path); } catch { return null; }
}

/** Finished runs and the models folder. */
export function listModels(home: string = homeFolder()): ListedModel[] {
  const listed = (name: string, path: string | null, from: 'run' | 'file'): ListedModel[] => {
    if (path === null) return [];
    const record = from === 'file' ? readRecord(path) : null;
    return [{ name, path, from, type: typeOf(path), bytes: sizeOf(path), licence: licenceIfReadable(path), source: record?.source ?? null }];
  };
  return [
    ...names(runsFolder(home)).flatMap((name) => listed(name, modelAt(join(runsFolder(home), name, 'final')), 'run')),
    ...modelsHere(home).flatMap(({ name, path }) => listed(name, path, 'file')),
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

/** By the headers only. */
export function modelFacts({ path, config, weights, adapter }: ModelFiles): ModelFacts {
  const origin = adapter?.config.base_model_name_or_path ?? path; // adapters have the licence of their base
  const entries = [...weights.tensors.values()], context = config['max_position_embeddings'];
  return {
    type: config.model_type, parameters: entries.reduce((n, { shape }) => n + shape.reduce((a, b) => a * b, 1), 0),
    bytes: path.endsWith('.gguf') ? statSync(path).size : entries.reduce((n, { byteLength }) => n + byteLength, 0),
    context: typeof context === 'number' ? context : null, licence: licenceOf(origin),
  };
}
