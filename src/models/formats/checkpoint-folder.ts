// A checkpoint of a run that still trains, as a model: RUN/checkpoints/step-N/weights.safetensors holds its weights under
// Hugging Face's names, and RUN/model/ what else a Hugging Face folder has. Where adapters are trained, that file holds
// their factors, and RUN/model/ a PEFT configuration that names the base they belong on.

import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { TiefsucheError } from '../../errors.ts';
import { openModelFolder } from './hf-folder.ts';
import type { ModelFiles } from './model-files.ts';
import { adapterConfigName, readFactors, readPeftConfig } from './peft.ts';
import { readSafetensors } from './safetensors.ts';

const weights = 'weights.safetensors';

/** Where a run keeps what its checkpoints have in common. */
const commonFolder = (run: string): string => join(run, 'model');
const commonOf = (checkpoint: string): string => commonFolder(dirname(dirname(checkpoint)));

const holdsAdapter = (checkpoint: string): boolean => existsSync(join(commonOf(checkpoint), adapterConfigName));

export const isCheckpoint = (path: string): boolean => existsSync(join(path, weights)) && (existsSync(join(commonOf(path), 'config.json')) || holdsAdapter(path));

/** The latest checkpoint of a run that can be opened as a model. */
export function latestCheckpoint(run: string): string | null {
  const folder = join(run, 'checkpoints'), names = existsSync(folder) ? readdirSync(folder).filter((name) => /^step-\d+$/.test(name)).sort() : [];
  return names.reverse().map((name) => join(folder, name)).find(isCheckpoint) ?? null;
}

/** The step of a checkpoint's folder; null: it is another model. */
export const stepOf = (path: string): number | null => { const found = /step-(\d+)$/.exec(path); return found ? Number(found[1]) : null; };

/** @param openBase opens the model that adapters belong on */
export function openCheckpoint(path: string, openBase: (path: string) => ModelFiles): ModelFiles {
  if (!holdsAdapter(path)) return { ...openModelFolder(commonOf(path), () => readSafetensors(join(path, weights))), path };
  const config = readPeftConfig(commonOf(path)), base = config.base_model_name_or_path ?? '', adapter = readFactors(config, join(path, weights), '');
  if (!existsSync(base)) throw new TiefsucheError('NOT_FOUND', `${path} holds adapters for ${base}, which is not there any more`, { hint: 'Put the base model back, or go on with the run: it looks for its base by the recipe.' });
  return { ...openBase(base), path, adapter };
}
