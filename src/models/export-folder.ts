// Writes a model as a Hugging Face folder (F32, BF16 or F16), with the licence and the card that lay beside it.

import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { requireFreeDisk } from '../durable-file.ts';
import type { WritableDtype } from './formats/dtypes.ts';
import { saveModelFolder } from './formats/hf-folder.ts';
import type { TensorToWrite } from './formats/safetensors-write.ts';
import type { ExportSource } from './export-source.ts';
import { architectureOf } from './index.ts';
import { folderFiles } from './language-model.ts';

const carried = ['LICENSE', 'LICENSE.txt', 'LICENSE.md', 'NOTICE', 'README.md'];

/** Licence and card texts beside a model. */
export function textsBeside(path: string): Record<string, string> {
  const folder = existsSync(path) && statSync(path).isDirectory() ? path : dirname(path);
  return Object.fromEntries(carried.filter((n) => existsSync(join(folder, n))).map((n) => [n, readFileSync(join(folder, n), 'utf8')]));
}

export async function exportFolder(source: ExportSource, folder: string, dtype: WritableDtype): Promise<{ bytes: number }> {
  const { config } = source.files, count = source.specs.reduce((n, s) => n + s.shape.reduce((a, b) => a * b, 1), 0), bytes = count * (dtype === 'F32' ? 4 : 2);
  requireFreeDisk(folder, bytes, `writing ${folder}`);
  const tensors = source.specs.map((s): TensorToWrite => ({ name: s.name, shape: s.shape, dtype, data: () => source.read(s.name) }));
  const ownFolder = existsSync(source.path) && statSync(source.path).isDirectory();
  await saveModelFolder(folder, { ...folderFiles(architectureOf(config.model_type), config, source.side, dtype), tensors, files: ownFolder ? textsBeside(source.path) : {} });
  return { bytes };
}
