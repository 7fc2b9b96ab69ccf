// A random model of a benchmark's shape in bf16, as a Hugging Face folder and as GGUF in any format, in a temporary place.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportGguf } from '../src/models/export-gguf.ts';
import { openExportSource } from '../src/models/export-source.ts';
import { saveModelFolder } from '../src/models/formats/hf-folder.ts';
import { architectureOf } from '../src/models/index.ts';
import { charTokenizer } from '../src/tokenizer/char-tokenizer.ts';
import { benchModels } from './models.ts';

export interface RandomModel { readonly folder: string; readonly gguf: string; remove(): void }

/** Quick random weights: what they are matters to nobody here. */
function noise(count: number, seed: number): Float32Array {
  const values = new Float32Array(count);
  for (let i = 0, x = seed * 2654435761 + 1; i < count; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) | 0;
    values[i] = x * 2 ** -36; // up to 0.03
  }
  return values;
}

export async function randomModel(name: string, format: Parameters<typeof exportGguf>[2]): Promise<RandomModel> {
  const place = mkdtempSync(join(tmpdir(), 'tiefsuche-bench-')), folder = join(place, 'model'), gguf = join(place, `model.${format}.gguf`), remove = (): void => rmSync(place, { recursive: true, force: true });
  try {
    const config = benchModels[name]!.config as unknown as { model_type: string } & Record<string, unknown>, specs = architectureOf(config.model_type).parameters(config);
    const { tokenizerJson, tokenizerConfig } = charTokenizer([...'abc'], { tokens: ['<e>', '<u>'], eos: '<e>', unk: '<u>' });
    const tensors = specs.map((s, i) => ({ name: s.name, shape: s.shape, dtype: 'BF16' as const, data: () => noise(s.shape.reduce((a, b) => a * b, 1), i) }));
    await saveModelFolder(folder, { config: { ...config, torch_dtype: 'bfloat16' }, tensors, tokenizerJson, tokenizerConfig });
    const source = openExportSource(folder);
    try { await exportGguf(source, gguf, format); } finally { source.close(); }
    return { folder, gguf, remove };
  } catch (error) {
    remove();
    throw error;
  }
}
