// LoRA adapters as PEFT writes them: a folder with adapter_config.json and adapter_model.safetensors, whose keys are
// base_model.model.<module path>.lora_A.weight (r, in) and .lora_B.weight (out, r); the update is (alpha / r) B A.
// Keys are checked against each other at reading and writing: an adapter that silently fits nothing must not exist.
// Source: huggingface/peft docs (checkpoint format).

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TiefsucheError } from '../../errors.ts';
import { writeFolderAtomic } from '../../durable-file.ts';
import { formatError, quoted, unsupportedError } from './format-error.ts';
import { prettyJson } from './hf-folder.ts';
import { readSafetensors } from './safetensors.ts';
import { writeSafetensors, type TensorToWrite } from './safetensors-write.ts';

/** adapter_config.json; fields we do not know are kept. */
export interface PeftConfig {
  readonly peft_type: 'LORA';
  readonly base_model_name_or_path: string | null;
  readonly r: number;
  readonly lora_alpha: number;
  readonly target_modules: readonly string[] | string;
  readonly [field: string]: unknown;
}

/** The two factors of one module's update. */
export interface LoraPair {
  /** (r, in) */
  readonly a: Float32Array;
  /** (out, r) */
  readonly b: Float32Array;
  readonly rank: number;
  readonly inFeatures: number;
  readonly outFeatures: number;
}

export interface PeftAdapter {
  readonly config: PeftConfig;
  /** By module path, such as model.layers.0.self_attn.q_proj. */
  readonly modules: ReadonlyMap<string, LoraPair>;
  /** alpha / r, or alpha / sqrt(r) with use_rslora. */
  readonly scale: number;
}

const weightsName = 'adapter_model.safetensors', prefix = 'base_model.model.';
const keyPattern = /^(.+)\.lora_([AB])\.weight$/;
export const adapterConfigName = 'adapter_config.json';

/** Reads an adapter folder; the factors are small and are held in memory. */
export const readPeftAdapter = (folder: string): PeftAdapter => readFactors(readPeftConfig(folder), join(folder, weightsName), prefix);

export function readPeftConfig(folder: string): PeftConfig {
  const path = join(folder, adapterConfigName);
  if (!existsSync(path)) throw new TiefsucheError('NOT_FOUND', `${folder} has no ${adapterConfigName}`, { hint: 'Give the folder of a PEFT adapter.' });
  return checkConfig(path, readFileSync(path, 'utf8'));
}

/** The factors in a file whose keys are `before`<module path>.lora_A.weight and .lora_B.weight. */
export function readFactors(config: PeftConfig, path: string, before: string): PeftAdapter {
  const file = readSafetensors(path);
  try {
    const modules = new Map<string, LoraPair>();
    for (const { name, shape } of file.tensors.values()) {
      const [, module, side] = name.startsWith(before) ? keyPattern.exec(name.slice(before.length)) ?? [] : [];
      if (module === undefined) throw unsupportedError(file.path, `tensor ${quoted(name)} is not a LoRA factor`, 'Adapters with saved modules, embeddings or DoRA vectors are not read.');
      if (side !== 'A') continue;
      const other = `${before}${module}.lora_B.weight`, b = file.tensors.get(other);
      if (!b) throw formatError(file.path, `${quoted(name)} has no partner ${quoted(other)}`);
      const [rank, inFeatures] = shape, [outFeatures, rankOfB] = b.shape;
      if (shape.length !== 2 || b.shape.length !== 2 || rank !== rankOfB || rank !== config.r) {
        throw formatError(file.path, `the factors of ${quoted(module)} have the shapes [${shape.join(', ')}] and [${b.shape.join(', ')}], which do not fit rank ${config.r}`);
      }
      modules.set(module, { a: file.readFloat32(name), b: file.readFloat32(other), rank, inFeatures: inFeatures!, outFeatures: outFeatures! });
    }
    if (modules.size * 2 !== file.tensors.size) throw formatError(file.path, 'it has lora_B factors without lora_A');
    if (modules.size === 0) throw formatError(file.path, 'it holds no factors');
    return { config, modules, scale: scaleOf(config) };
  } finally {
    file.close();
  }
}

const scaleOf = (config: PeftConfig): number => config.lora_alpha / (config['use_rslora'] === true ? Math.sqrt(config.r) : config.r);

function checkConfig(path: string, text: string): PeftConfig {
  let config: PeftConfig;
  try { config = JSON.parse(text) as PeftConfig; } catch (cause) {
    throw formatError(path, `it is not valid JSON (${(cause as Error).message})`, undefined, cause);
  }
  if (typeof config !== 'object' || config === null) throw formatError(path, 'it is not a JSON object');
  if (config.peft_type !== 'LORA') throw unsupportedError(path, `its peft_type is ${quoted(config.peft_type)}`, 'LORA adapters are read.');
  if (!Number.isInteger(config.r) || config.r < 1) throw formatError(path, `r is ${quoted(config.r)}, not a whole number above 0`);
  if (!Number.isFinite(config.lora_alpha)) throw formatError(path, `lora_alpha is ${quoted(config.lora_alpha)}, not a number`);
  for (const field of ['rank_pattern', 'alpha_pattern']) {
    const value = config[field];
    if (typeof value === 'object' && value !== null && Object.keys(value).length > 0) {
      throw unsupportedError(path, `it uses ${field}`, 'Adapters with one rank and one alpha are read.');
    }
  }
  if (config['use_dora'] === true) throw unsupportedError(path, 'it is a DoRA adapter', 'Plain LoRA adapters are read.');
  return config;
}

export interface AdapterToSave {
  readonly baseModel: string;
  readonly revision?: string;
  readonly rank: number;
  readonly alpha: number;
  readonly modules: ReadonlyMap<string, LoraPair>;
  /** Further fields of adapter_config.json. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** Writes an adapter folder; an older one is replaced whole. */
export async function savePeftAdapter(folder: string, adapter: AdapterToSave): Promise<void> {
  const tensors: TensorToWrite[] = [];
  for (const [module, { a, b, rank, inFeatures, outFeatures }] of adapter.modules) {
    if (rank !== adapter.rank || a.length !== rank * inFeatures || b.length !== outFeatures * rank) {
      throw new TiefsucheError('SHAPE', `the factors of ${module} do not have rank ${adapter.rank}`, { hint: 'All modules of an adapter have one rank.' });
    }
    tensors.push({ name: `${prefix}${module}.lora_A.weight`, shape: [rank, inFeatures], data: a },
      { name: `${prefix}${module}.lora_B.weight`, shape: [outFeatures, rank], data: b });
  }
  await writeFolderAtomic(folder, async (place) => {
    writeFileSync(join(place, adapterConfigName), configJson(adapter));
    await writeSafetensors(join(place, weightsName), tensors, { format: 'pt' });
  });
}

/** The same without the factors: what turns factors that lie elsewhere into an adapter. */
export async function savePeftConfig(folder: string, adapter: Omit<AdapterToSave, 'modules'> & { readonly modules: Iterable<string> }): Promise<void> {
  await writeFolderAtomic(folder, (place) => writeFileSync(join(place, adapterConfigName), configJson({ ...adapter, modules: new Map([...adapter.modules].map((m) => [m, null])) })));
}

function configJson({ baseModel, revision, rank, alpha, modules, extra }: Omit<AdapterToSave, 'modules'> & { readonly modules: ReadonlyMap<string, unknown> }): string {
  return prettyJson({
    bias: 'none', fan_in_fan_out: false, inference_mode: true, init_lora_weights: true, lora_dropout: 0, modules_to_save: null,
    task_type: 'CAUSAL_LM', ...extra,
    peft_type: 'LORA', base_model_name_or_path: baseModel, revision: revision ?? null,
    r: rank, lora_alpha: alpha, target_modules: [...new Set([...modules.keys()].map((m) => m.slice(m.lastIndexOf('.') + 1)))].sort(),
  });
}
