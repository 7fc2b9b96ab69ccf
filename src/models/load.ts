// Weights from files into a model, and back into files.

import { TiefsucheError, invariant } from '../errors.ts';
import type { Backend } from '../engine/backend.ts';
import { widened } from '../engine/file-rows.ts';
import { isCheckpoint, openCheckpoint } from './formats/checkpoint-folder.ts';
import { requireFinite } from './formats/finite.ts';
import { openGgufModel } from './formats/gguf-model.ts';
import { openModelFolder } from './formats/hf-folder.ts';
import type { ModelFiles } from './formats/model-files.ts';
import type { PeftAdapter } from './formats/peft.ts';
import type { TensorSource } from './formats/tensor-source.ts';
import { CompressedWeights } from './compressed.ts';
import { architectureOf } from './index.ts';
import { adapterNames } from './lora.ts';
import { Model, type ModelOptions } from './model.ts';
import { type ParameterSpec, type Parameters, largestOf } from './parameters.ts';

/** Opens a Hugging Face folder, a checkpoint or a GGUF file. Close it when done. */
export function openModelFiles(path: string): ModelFiles {
  if (path.endsWith('.gguf')) return openGgufModel(path);
  return isCheckpoint(path) ? openCheckpoint(path, openModelFiles) : openModelFolder(path);
}

/** Fills the parameters from a file, tensor by tensor. Every one must be there, with its shape, and be numbers. */
export function readWeights(parameters: Parameters, source: TensorSource): void {
  for (const spec of parameters.specs) {
    if (!requireWeight(source, spec)) continue;
    const place = source.place?.(spec.name);
    if (place && place.fileType === source.tensors.get(spec.name)!.dtype && widened(place.fileType) && parameters.fill(spec.name, place)) continue; // else the values are looked at one by one
    const values = source.readFloat32(spec.name);
    requireFinite(spec.name, values);
    parameters.write(spec.name, values);
  }
}

/** Whether a weight is there, in its shape; only buffers may be missing (router biases start at zero where a file has none). */
export function requireWeight(source: TensorSource, spec: ParameterSpec): boolean {
  const entry = source.tensors.get(spec.name);
  if (!entry) {
    if (spec.kind === 'buffer') return false;
    throw new TiefsucheError('FORMAT', `the weights lack ${spec.name}`, { hint: 'config.json asks for it; the folder may be incomplete, or belong to another configuration.' });
  }
  if (entry.shape.length !== spec.shape.length || entry.shape.some((d, i) => d !== spec.shape[i])) {
    throw new TiefsucheError('SHAPE', `weight ${spec.name} is [${entry.shape}] in the file, config.json asks for [${spec.shape}]`, { hint: 'The weights and config.json belong to different models.' });
  }
  return true;
}

/** A weight on its way into a file. Its values are fetched when their turn comes, into the memory of the one before. */
export interface WrittenWeight { readonly name: string; readonly shape: readonly number[]; readonly dtype: 'F32'; readonly data: () => Float32Array }

/** The weights as they go into a file, in the order of their names. */
export const writtenWeights = (parameters: Parameters): Generator<WrittenWeight> => written(parameters.specs, (name, memory) => parameters.read(name, memory));

/** The same of a whole model, what it keeps in few bits included. */
export const writtenModel = ({ specs, parameters, compressed }: Model): Generator<WrittenWeight> =>
  written(specs, (name, memory) => (compressed?.covers(name) ? compressed.read(name, memory) : parameters.read(name, memory)));

function* written(specs: readonly ParameterSpec[], read: (name: string, memory: Float32Array) => Float32Array): Generator<WrittenWeight> {
  let memory: Float32Array | undefined;
  for (const { name, shape } of [...specs].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    yield { name, shape, dtype: 'F32', data: () => read(name, memory ??= new Float32Array(largestOf(specs))) };
  }
}

/** Makes a model from opened files. */
export function loadModel(backend: Backend, files: ModelFiles, wanted: ModelOptions = {}): Model {
  const { adapter } = files, options = adapter ? withAdapter(wanted, adapter, files.path) : wanted, { precision = 'f32' } = options;
  invariant(precision === 'f32' || !options.trainable || options.lora, 'weights in few bits do not train');
  const specs = architectureOf(files.config['model_type']).parameters(files.config);
  const compressed = precision === 'f32' ? null : new CompressedWeights(backend, specs, files.weights, precision, { dry: options.dry ?? false });
  const model = new Model(backend, files.config, options, compressed);
  try {
    if (!options.dry) readWeights(model.parameters, files.weights);
    if (!options.dry && adapter) writeFactors(model, adapter, files.path);
  } catch (error) {
    model.close();
    throw error;
  }
  return model;
}

function withAdapter(options: ModelOptions, { modules, scale, config: { r: rank } }: PeftAdapter, path: string): ModelOptions {
  if (options.lora) throw new TiefsucheError('UNSUPPORTED', `${path} has adapters of its own, and takes no others`, { hint: 'Finish that run and begin with its end, or export it first: there they are merged into the weights.' });
  return { ...options, lora: { rank, alpha: scale * rank, weights: new Set([...modules.keys()].map((module) => `${module}.weight`)) } };
}

function writeFactors(model: Model, { modules }: PeftAdapter, path: string): void {
  const { parameters } = model.lora!;
  for (const [module, { a, b }] of modules) {
    const names = adapterNames(`${module}.weight`);
    if (!parameters.has(names.a)) throw new TiefsucheError('SHAPE', `the adapter ${path} is for ${module}, which this model lacks or does not adapt`, { hint: 'Give the base model that adapter_config.json names.' });
    parameters.write(names.a, a);
    parameters.write(names.b, b);
  }
}
