// A model on its way out: its files, and its weights one at a time as f32, with an adapter merged in where one is given
// (W + (alpha / r) B A). Every value is looked at on the way: NaN and infinity must not leave the house.

import { TiefsucheError } from '../errors.ts';
import type { ModelFiles } from './formats/model-files.ts';
import type { LoraPair } from './formats/peft.ts';
import { readAdapter } from './adapter-files.ts';
import { architectureOf } from './index.ts';
import { type TextSide, textSide } from './language-model.ts';
import { requireFinite } from './formats/finite.ts';
import { openModelFiles, requireWeight } from './load.ts';
import type { ParameterSpec } from './parameters.ts';

export interface ExportSource {
  readonly path: string;
  readonly files: ModelFiles;
  readonly side: TextSide;
  readonly specs: readonly ParameterSpec[];
  /** A weight by Hugging Face's name. */
  read(name: string): Float32Array;
  close(): void;
}

/** @param adapter to merge: folder of a PEFT adapter, or a GGUF one */
export function openExportSource(path: string, adapter?: string): ExportSource {
  const files = openModelFiles(path);
  try {
    const specs = architectureOf(files.config.model_type).parameters(files.config), byName = new Map(specs.map((s) => [s.name, s]));
    const lora = adapter === undefined ? files.adapter ?? null : readAdapter(adapter, files.config);
    if (files.adapter && adapter !== undefined) throw new TiefsucheError('UNSUPPORTED', `${path} has adapters of its own, and takes no others`, { hint: 'Leave --adapter out: its own are merged in.' });
    for (const module of lora?.modules.keys() ?? []) {
      if (!byName.has(`${module}.weight`)) throw new TiefsucheError('SHAPE', `the adapter ${adapter ?? path} is for ${module}, which this model lacks`, { hint: 'Give the base model that adapter_config.json names.' });
    }
    const values = (spec: ParameterSpec): Float32Array => {
      return requireWeight(files.weights, spec) ? files.weights.readFloat32(spec.name) : new Float32Array(spec.shape.reduce((a, b) => a * b, 1));
    };
    return {
      path, files, side: textSide(files, architectureOf(files.config.model_type).dimensions(files.config).vocab), specs,
      read(name) {
        const spec = byName.get(name)!, pair = lora?.modules.get(name.replace(/\.weight$/, ''));
        const data = pair ? merged(values(spec), pair, lora!.scale) : values(spec);
        requireFinite(name, data);
        return data;
      },
      close: () => files.close(),
    };
  } catch (error) {
    files.close();
    throw error;
  }
}

function merged(weight: Float32Array, { a, b, rank, inFeatures, outFeatures }: LoraPair, scale: number): Float32Array {
  for (let i = 0; i < outFeatures; i++) for (let r = 0; r < rank; r++) {
    const factor = scale * b[i * rank + r]!;
    if (factor !== 0) for (let j = 0; j < inFeatures; j++) weight[i * inFeatures + j]! += factor * a[r * inFeatures + j]!;
  }
  return weight;
}
