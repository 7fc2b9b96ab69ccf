// LoRA adapters as GGUF files, which llama.cpp puts on a base of its own (--lora): general.type = "adapter", adapter.type =
// "lora", adapter.lora.alpha; for each weight NAME.lora_a (r, in) and NAME.lora_b (out, r); the update is (alpha / r) B A.
// Where GGUF keeps a weight's rows in another order, those of B are in it too. Source: llama.cpp convert_lora_to_gguf.py and
// src/llama-adapter.cpp, read, not copied.

import { TiefsucheError } from '../../errors.ts';
import { formatError, quoted, unsupportedError } from './format-error.ts';
import { type GgufPart, f32, ggufArchitectureOf, permuteRows, string } from './gguf-architectures.ts';
import { unpermuteRows } from './gguf-model.ts';
import { readGguf } from './gguf.ts';
import { type GgufTensorToWrite, writeGguf } from './gguf-write.ts';
import type { ModelConfig } from './model-files.ts';
import type { LoraPair, PeftAdapter } from './peft.ts';

/** GGUF's parts by the module (PEFT's path) that they are made of alone. */
function partsByModule(config: ModelConfig): Map<string, GgufPart> {
  const simple = ggufArchitectureOf(config.model_type).parts(config).filter(({ how, shape }) => shape.length === 2 && (how.kind === 'same' || how.kind === 'permuted'));
  return new Map(simple.map((part) => [part.from[0]!.replace(/\.weight$/, ''), part]));
}

/** Writes an adapter of a model with this configuration, and returns the size of the file. */
export async function writeGgufAdapter(path: string, config: ModelConfig, { modules, scale, config: { r } }: PeftAdapter, name: string): Promise<number> {
  const parts = partsByModule(config), tensors: GgufTensorToWrite[] = [];
  for (const [module, { a, b, rank, inFeatures, outFeatures }] of modules) {
    const part = parts.get(module);
    if (!part) throw new TiefsucheError('UNSUPPORTED', `a GGUF file has no place for an adapter of ${module}`, { hint: 'Merge it (--lora merged), or keep it as PEFT (--to peft).' });
    if (part.shape[0] !== outFeatures || part.shape[1] !== inFeatures) throw new TiefsucheError('SHAPE', `the adapter of ${module} is for a weight of [${outFeatures}, ${inFeatures}], the model's is [${part.shape}]`, { hint: 'Give the base model that adapter_config.json names.' });
    const { how } = part;
    tensors.push({ name: `${part.name}.lora_a`, shape: [rank, inFeatures], dtype: 'F32', data: () => a },
      { name: `${part.name}.lora_b`, shape: [outFeatures, rank], dtype: 'F32', data: () => (how.kind === 'permuted' ? permuteRows(b, outFeatures, how.headDim) : b) });
  }
  return writeGguf(path, new Map([
    ['general.architecture', string(ggufArchitectureOf(config.model_type).name)], ['general.type', string('adapter')], ['general.name', string(name)],
    ['adapter.type', string('lora')], ['adapter.lora.alpha', f32(scale * r)],
  ]), tensors);
}

/** Reads an adapter for a model with this configuration. */
export function readGgufAdapter(path: string, config: ModelConfig): PeftAdapter {
  const file = readGguf(path);
  try {
    const { metadata, tensors } = file, alpha = metadata.get('adapter.lora.alpha'), wanted = ggufArchitectureOf(config.model_type).name;
    if (metadata.get('adapter.type') !== 'lora') throw formatError(path, 'it is no LoRA adapter', 'A GGUF file with adapter.type = "lora" is one; models are opened by themselves.');
    if (typeof alpha !== 'number' || !Number.isFinite(alpha)) throw formatError(path, `adapter.lora.alpha is ${quoted(alpha)}, not a number`);
    if (metadata.get('general.architecture') !== wanted) throw new TiefsucheError('SHAPE', `the adapter ${path} is for ${quoted(metadata.get('general.architecture'))}, the model is ${wanted}`, { hint: 'Give the base model that it was trained on.' });
    const modules = new Map<string, LoraPair>(), seen = new Set<string>();
    for (const [module, { name, how }] of partsByModule(config)) {
      const [a, b] = [tensors.get(`${name}.lora_a`), tensors.get(`${name}.lora_b`)];
      if (!a && !b) continue;
      const [rank, inFeatures] = a?.shape ?? [], [outFeatures, rankOfB] = b?.shape ?? [];
      if (!a || !b || rank === undefined || inFeatures === undefined || outFeatures === undefined || rank !== rankOfB) throw formatError(path, `the factors of ${quoted(name)} do not belong together`);
      const values = file.readFloat32(b.name);
      if (how.kind === 'permuted' && outFeatures % how.headDim !== 0) throw formatError(path, `the factors of ${quoted(name)} do not consist of heads of ${how.headDim} rows`);
      modules.set(module, { a: file.readFloat32(a.name), b: how.kind === 'permuted' ? unpermuteRows(values, outFeatures, how.headDim) : values, rank, inFeatures, outFeatures });
      seen.add(a.name).add(b.name);
    }
    for (const name of tensors.keys()) if (!seen.has(name)) throw unsupportedError(path, `tensor ${quoted(name)} adapts what this model's adapters do not`, 'Adapters of linear layers are read.');
    const ranks = new Set([...modules.values()].map((m) => m.rank)), [r] = ranks;
    if (r === undefined) throw formatError(path, 'it holds no factors');
    if (ranks.size > 1) throw unsupportedError(path, `its factors have several ranks (${[...ranks].join(', ')})`, 'Adapters with one rank are read.');
    const targets = [...new Set([...modules.keys()].map((m) => m.slice(m.lastIndexOf('.') + 1)))].sort();
    return { config: { peft_type: 'LORA', base_model_name_or_path: null, r, lora_alpha: alpha, target_modules: targets }, modules, scale: alpha / r };
  } finally {
    file.close();
  }
}
