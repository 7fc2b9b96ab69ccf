// What one of our two engines can run: a model that ours opens; or a GGUF file of another kind where llama.cpp is installed.
// Only headers are read.

import { statSync } from 'node:fs';
import { isTiefsucheError } from '../errors.ts';
import { llamaInstalled } from '../evaluation/other-engines.ts';
import { readGguf } from '../models/formats/gguf.ts';
import { licenceOf } from '../models/licence.ts';
import { type ModelFacts, modelFacts } from '../models/list-models.ts';
import { openModelFiles } from '../models/load.ts';
import { type FitOptions, type ModelFit, modelFit } from '../reasoning/fit.ts';

export type Readable = ModelFacts & Pick<ModelFit, 'totalBytes' | 'bytesPerToken'>;

/** @throws what our engine has against it, where llama.cpp cannot take its place */
export function readableModel(path: string, held: Pick<FitOptions, 'precision' | 'cache'>): Readable {
  try {
    const files = openModelFiles(path);
    try {
      const { totalBytes, bytesPerToken } = modelFit(files, { ...held, freeBytes: 0, bandwidth: null });
      return { ...modelFacts(files), totalBytes, bytesPerToken };
    } finally {
      files.close();
    }
  } catch (error) {
    if (!path.endsWith('.gguf') || !isTiefsucheError(error) || error.code !== 'UNSUPPORTED' || !llamaInstalled()) throw error;
    return llamaFacts(path, error);
  }
}

/** llama.cpp maps the file and computes in its bits; keys and values come on top, which only it can reckon. */
function llamaFacts(path: string, refusal: Error): Readable {
  const file = readGguf(path), { metadata, tensors } = file, type = metadata.get('general.architecture'), bytes = statSync(path).size;
  file.close();
  if (typeof type !== 'string') throw refusal;
  const context = metadata.get(`${type}.context_length`), parameters = [...tensors.values()].reduce((n, { shape }) => n + shape.reduce((a, b) => a * b, 1), 0);
  return { type, parameters, bytes, context: typeof context === 'number' ? context : null, licence: licenceOf(path), totalBytes: bytes, bytesPerToken: bytes };
}
