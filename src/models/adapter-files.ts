// LoRA adapters of a model as PEFT folders: saved beside the merged weights, and put onto a base again.

import { TiefsucheError, invariant } from '../errors.ts';
import type { Backend } from '../engine/backend.ts';
import type { ModelFiles } from './formats/model-files.ts';
import { type LoraPair, type PeftAdapter, readPeftAdapter, savePeftAdapter } from './formats/peft.ts';
import { loadModel } from './load.ts';
import { adapterNames } from './lora.ts';
import type { Model, ModelOptions } from './model.ts';

/** Writes the adapters of a model; `base` is what PEFT looks the base model up by. */
export async function saveAdapter(folder: string, model: Model, base: string): Promise<void> {
  const { lora } = model;
  invariant(lora, 'the model has no adapters');
  const modules = new Map<string, LoraPair>();
  for (const { name, shape } of lora.parameters.specs) {
    if (!name.endsWith('.lora_A.weight')) continue;
    const module = name.slice(0, -'.lora_A.weight'.length), names = adapterNames(`${module}.weight`), b = lora.parameters.read(names.b);
    modules.set(module, { a: lora.parameters.read(names.a), b, rank: shape[0]!, inFeatures: shape[1]!, outFeatures: b.length / shape[0]! });
  }
  await savePeftAdapter(folder, { baseModel: base, rank: lora.config.rank, alpha: lora.config.alpha, modules });
}

/** Loads a base with an adapter folder on it. */
export function loadAdapted(backend: Backend, files: ModelFiles, folder: string, options: ModelOptions = {}): Model {
  const adapter = readPeftAdapter(folder), { r: rank } = adapter.config;
  const weights = new Set([...adapter.modules.keys()].map((module) => `${module}.weight`));
  const model = loadModel(backend, files, { ...options, lora: { rank, alpha: adapter.scale * rank, weights } });
  try { writeFactors(model, adapter, folder); } catch (error) { model.close(); throw error; }
  return model;
}

function writeFactors(model: Model, { modules }: PeftAdapter, folder: string): void {
  const { parameters } = model.lora!;
  for (const [module, { a, b }] of modules) {
    const names = adapterNames(`${module}.weight`);
    if (!parameters.has(names.a)) throw new TiefsucheError('SHAPE', `the adapter ${folder} is for ${module}, which this model lacks or does not adapt`, { hint: 'Give the base model that adapter_config.json names.' });
    parameters.write(names.a, a);
    parameters.write(names.b, b);
  }
}
