// Writes a model as a Hugging Face folder (F32, BF16 or F16), with the licence and the card that lay beside it.

import { requireFreeDisk } from '../durable-file.ts';
import type { WritableDtype } from './formats/dtypes.ts';
import { saveModelFolder } from './formats/hf-folder.ts';
import type { TensorToWrite } from './formats/safetensors-write.ts';
import type { ExportSource } from './export-source.ts';
import { architectureOf } from './index.ts';
import { folderFiles } from './language-model.ts';
import { licenceFiles } from './licence.ts';

/** @param texts that go along; those of the model itself by default */
export async function exportFolder(source: ExportSource, folder: string, dtype: WritableDtype, texts: Readonly<Record<string, string>> = licenceFiles(source.path)): Promise<{ bytes: number }> {
  const { config } = source.files, count = source.specs.reduce((n, s) => n + s.shape.reduce((a, b) => a * b, 1), 0), bytes = count * (dtype === 'F32' ? 4 : 2);
  requireFreeDisk(folder, bytes, `writing ${folder}`);
  const tensors = source.specs.map((s): TensorToWrite => ({ name: s.name, shape: s.shape, dtype, data: () => source.read(s.name) }));
  await saveModelFolder(folder, { ...folderFiles(architectureOf(config.model_type), config, source.side, dtype), tensors, files: texts });
  return { bytes };
}
