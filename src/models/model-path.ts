// Where a model lies that someone named: a path, a run (its end, or its latest checkpoint), or a file in the models folder.

import { existsSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { TiefsucheError } from '../errors.ts';
import { homeFolder, runsFolder } from '../home.ts';
import { isCheckpoint, latestCheckpoint } from './formats/checkpoint-folder.ts';

/** The Hugging Face folder, checkpoint or GGUF file that a name on the command line or in a recipe stands for. */
export function resolveModelPath(name: string, folder: string = process.cwd(), home: string = homeFolder()): string {
  const candidates = [isAbsolute(name) ? name : resolve(folder, name), join(runsFolder(home), name, 'final'), join(home, 'models', name)];
  const isModel = (path: string): boolean => existsSync(path) && (path.endsWith('.gguf') || existsSync(join(path, 'config.json')) || isCheckpoint(path));
  const found = candidates.find(isModel);
  if (found) return found;
  const unfinished = existsSync(join(runsFolder(home), name, 'run.json'));
  throw new TiefsucheError('NOT_FOUND', unfinished ? `the run "${name}" has no finished model yet` : `there is no model "${name}"`, {
    hint: unfinished ? `Finish it with \`tiefsuche train --run ${name} --resume\`.` : 'Give a run name, a Hugging Face folder, or a GGUF file; `tiefsuche models` lists what is here.',
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
