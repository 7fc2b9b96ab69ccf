// Is a model whole? Everything that can be known without reading weights: its architecture is one we have, every weight is
// there with its shape, its tokenizer does not name rows that the embedding lacks, its chat template can be read.

import type { ModelFiles } from './formats/model-files.ts';
import { architectureOf } from './index.ts';
import { textSide } from './language-model.ts';
import { requireWeight } from './load.ts';

export function checkModelFiles(files: ModelFiles): void {
  const architecture = architectureOf(files.config.model_type), { vocab } = architecture.dimensions(files.config);
  for (const spec of architecture.parameters(files.config)) requireWeight(files.weights, spec);
  textSide(files, vocab);
}
