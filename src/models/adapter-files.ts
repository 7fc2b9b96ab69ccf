// LoRA adapters of a model as PEFT folders: saved beside the merged weights, and put onto a base again; GGUF adapters too.

import { TiefsucheError, invariant } from '../errors.ts';
import type { Backend } from '../engine/backend.ts';
import { readGgufAdapter } from './formats/gguf-adapter.ts';
import type { ModelConfig, ModelFiles } from './formats/model-files.ts';
import { type LoraPair, type PeftAdapter, readPeftAdapter, savePeftAdapter, savePeftConfig } from './formats/peft.ts';
import { loadModel } from './load.ts';
import { adapterNames } from './lora.ts';
import type { Model, ModelOptions } from './model.ts';

/** Writes the adapters of a model; `base` is what PEFT looks the base model up by. */
export async function saveAdapter(folder: string, model: Model, base: string): Promise<void> {
  const { lora } = model;
  invariant(lora, 'the model has no adapters');
  const modules = new Map<string, LoraPair>();
  for (const { name, shape } of lora.parameters.specs) {
    if (!name.endsWith(factorA)) continue;
    const module = name.slice(0, -factorA.length), names = adapterNames(`${module}.weight`), b = lora.parameters.read(names.b);
    modules.set(module, { a: lora.parameters.read(names.a), b, rank: shape[0]!, inFeatures: shape[1]!, outFeatures: b.length / shape[0]! });
  }
  await savePeftAdapter(folder, { baseModel: base, rank: lora.config.rank, alpha: lora.config.alpha, modules });
}

/** Writes what adapters in checkpoints have in common: the path of their base, rank and scale. */
export async function saveAdapterWithoutWeights(folder: string, { lora }: Model, base: string): Promise<void> {
  invariant(lora, 'the model has no adapters');
  const modules = lora.parameters.specs.flatMap(({ name }) => (name.endsWith(factorA) ? [name.slice(0, -factorA.length)] : []));
  await savePeftConfig(folder, { baseModel: base, rank: lora.config.rank, alpha: lora.config.alpha, modules });
}

const factorA = '.lora_A.weight';

/** An adapter for a model: a PEFT folder or a GGUF file. */
export const readAdapter = (path: string, config: ModelConfig): PeftAdapter => (path.endsWith('.gguf') ? readGgufAdapter(path, config) : readPeftAdapter(path));

/** Loads a base with an adapter on it. */
export function loadAdapted(backend: Backend, files: ModelFiles, folder: string, options: ModelOptions = {}): Model {
  if (files.adapter) throw new TiefsucheError('UNSUPPORTED', `${files.path} has adapters of its own, and takes no others`, { hint: 'Export it first: there they are merged into the weights.' });
  return loadModel(backend, { ...files, path: folder, adapter: readAdapter(folder, files.config) }, options);
}
