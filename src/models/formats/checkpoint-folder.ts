// A checkpoint of a run that still trains, as a model: RUN/checkpoints/step-N/weights.safetensors holds its weights under
// Hugging Face's names, and RUN/model/ what else a Hugging Face folder has. Adapters lie in checkpoints without their base;
// such a run has no RUN/model/.

import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { openModelFolder } from './hf-folder.ts';
import type { ModelFiles } from './model-files.ts';
import { readSafetensors } from './safetensors.ts';

const weights = 'weights.safetensors';

/** Where a run keeps what its checkpoints have in common. */
export const commonFolder = (run: string): string => join(run, 'model');

export const isCheckpoint = (path: string): boolean => existsSync(join(path, weights)) && existsSync(join(commonFolder(dirname(dirname(path))), 'config.json'));

/** The latest checkpoint of a run that can be opened as a model. */
export function latestCheckpoint(run: string): string | null {
  const folder = join(run, 'checkpoints'), names = existsSync(folder) ? readdirSync(folder).filter((name) => /^step-\d+$/.test(name)).sort() : [];
  return names.reverse().map((name) => join(folder, name)).find(isCheckpoint) ?? null;
}

/** The step of a checkpoint's folder; null: it is another model. */
export const stepOf = (path: string): number | null => { const found = /step-(\d+)$/.exec(path); return found ? Number(found[1]) : null; };

export function openCheckpoint(path: string): ModelFiles {
  return { ...openModelFolder(commonFolder(dirname(dirname(path))), () => readSafetensors(join(path, weights))), path };
}
