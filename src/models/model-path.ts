// Where a model lies that someone named: a path, a run (its end, or its latest checkpoint), a model in the models folder by
// its name, or one that was pulled, by the reference it was pulled with.

import { existsSync, readdirSync, statSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { TiefsucheError } from '../errors.ts';
import { homeFolder, runsFolder } from '../home.ts';
import { isCheckpoint, latestCheckpoint } from './formats/checkpoint-folder.ts';
import { ggufPartPaths } from './formats/gguf-parts.ts';
import { nearest } from '../nearest.ts';
import { readRecord } from './record.ts';

export const modelsFolder = (home: string = homeFolder()): string => join(home, 'models');

/** The Hugging Face folder, checkpoint or GGUF file at a path: the file itself, or the only one (or the first of its parts) in a folder without config.json. */
export function modelAt(path: string): string | null {
  if (!existsSync(path)) return null;
  if (!statSync(path).isDirectory()) return path.endsWith('.gguf') ? path : null;
  if (existsSync(join(path, 'config.json')) || isCheckpoint(path)) return path;
  const files = readdirSync(path).filter((n) => n.endsWith('.gguf') && !n.startsWith('.'));
  const first = files.sort()[0];
  return first !== undefined && ggufPartPaths(first).length === files.length && ggufPartPaths(first)[0] === first ? join(path, first) : null;
}

/** Everything in the models folder that can be opened, by name. */
export function modelsHere(home: string = homeFolder()): { readonly name: string; readonly path: string }[] {
  const folder = modelsFolder(home);
  const names = existsSync(folder) ? readdirSync(folder).filter((n) => !n.startsWith('.')).sort() : [];
  return names.flatMap((name) => { const path = modelAt(join(folder, name)); return path === null ? [] : [{ name, path }]; });
}

/** The Hugging Face folder, checkpoint or GGUF file that a name on the command line or in a recipe stands for. */
export function resolveModelPath(name: string, folder: string = process.cwd(), home: string = homeFolder()): string {
  const candidates = [isAbsolute(name) ? name : resolve(folder, name), join(runsFolder(home), name, 'final'), join(modelsFolder(home), name), join(modelsFolder(home), `${name}.gguf`)];
  for (const candidate of candidates) {
    const found = modelAt(candidate);
    if (found !== null) return found;
  }
  const here = modelsHere(home), pulled = here.find(({ path }) => readRecord(path)?.source === name);
  if (pulled) return pulled.path;
  if (/^(hf|pypi|https?):/.test(name)) throw new TiefsucheError('NOT_FOUND', `${name} is not here yet`, { hint: `\`tiefsuche pull ${name}\` fetches it; nothing else uses the network.` });
  const unfinished = existsSync(join(runsFolder(home), name, 'run.json')), near = nearest(name, here.map((m) => m.name));
  throw new TiefsucheError('NOT_FOUND', unfinished ? `the run "${name}" has no finished model yet` : `there is no model "${name}"`, {
    hint: unfinished ? `Finish it with \`tiefsuche train --run ${name} --resume\`.`
      : `${near === undefined ? '' : `Did you mean "${near}"? `}Give a run name, a Hugging Face folder, or a GGUF file; \`tiefsuche models\` lists what is here, \`tiefsuche pull\` fetches more.`,
  });
}

/** The same for talking with: of a run that still trains, the latest checkpoint. */
export function resolveTalkingModel(name: string, folder?: string, home: string = homeFolder()): string {
  try {
    return resolveModelPath(name, folder, home);
  } catch (error) {
    const checkpoint = latestCheckpoint(join(runsFolder(home), name));
    if (checkpoint === null) throw error;
    return checkpoint;
  }
}
