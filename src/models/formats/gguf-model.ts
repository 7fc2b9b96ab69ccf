// A GGUF file seen as a Hugging Face model: config.json fields, tensors under Hugging Face's names, tokenizer files.
// What lies where, and which rows are permuted, says gguf-architectures.ts; here it is undone. Permutations are undone
// on whole rows and experts are whole matrices, so quantised bytes stay valid; only MLA's split keys and values become f32.

import type { FilePlace } from '../../engine/file-rows.ts';
import { formatError, quoted, unsupportedError } from './format-error.ts';
import { type GgufArchitecture, type GgufPart, ggufArchitectureOf, joinParts } from './gguf-architectures.ts';
import { ggufConfig } from './gguf-config.ts';
import { ggufTokenizer } from './gguf-tokenizer.ts';
import { readGgufParts } from './gguf-split.ts';
import type { GgufFile } from './gguf.ts';
import type { ModelConfig, ModelFiles } from './model-files.ts';
import { missingTensor } from './safetensors.ts';
import { elementCount, type TensorEntry, type TensorSource } from './tensor-source.ts';

/** Opens a GGUF model: its weights are read from the file when asked for. */
export function openGgufModel(path: string): ModelFiles {
  const file = readGgufParts(path);
  try {
    const config = ggufConfig(file), { tokenizerJson, tokenizerConfig, chatTemplate } = ggufTokenizer(file);
    const generationConfig: Record<string, unknown> = {};
    for (const key of ['bos_token_id', 'eos_token_id', 'pad_token_id']) if (config[key] !== undefined) generationConfig[key] = config[key];
    const eot = file.metadata.get('tokenizer.ggml.eot_token_id'), eos = config['eos_token_id'];
    if (typeof eot === 'number' && typeof eos === 'number' && eot !== eos) generationConfig['eos_token_id'] = [eos, eot];
    return {
      path, config, weights: huggingFaceTensors(file, config, ggufArchitectureOf(config.model_type)), tokenizerJson, generationConfig, chatTemplate,
      tokenizerConfig: { ...tokenizerConfig, model_max_length: config['max_position_embeddings'] },
      chatTemplates: new Map(chatTemplate === undefined ? [] : [['default', chatTemplate]]),
      close: () => file.close(),
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

type Bytes = Uint8Array<ArrayBuffer>;
type Floats = Float32Array<ArrayBuffer>;

interface Source { readonly entry: TensorEntry; readonly place?: FilePlace; readonly bytes: (start?: number, count?: number, into?: Bytes) => Bytes; readonly floats: (start?: number, count?: number) => Floats }

function huggingFaceTensors(file: GgufFile, config: ModelConfig, architecture: GgufArchitecture): TensorSource {
  const sources = new Map<string, Source>(), known = new Set<string>(), parts = architecture.parts(config);
  for (const part of parts) {
    known.add(part.name);
    for (const source of sourcesOf(file, part, parts)) sources.set(source.entry.name, source);
  }
  for (const name of file.tensors.keys()) {
    if (!known.has(name)) throw unsupportedError(file.path, `tensor ${quoted(name)} is not part of a plain ${architecture.name} model`, 'Use the Hugging Face folder.');
  }
  const lookUp = (name: string): Source => sources.get(name) ?? missingTensor(file.path, name);
  return {
    tensors: new Map([...sources].map(([name, { entry }]) => [name, entry])),
    readBytes: (name, start, count, into) => lookUp(name).bytes(start, count, into),
    readFloat32: (name, start, count) => lookUp(name).floats(start, count),
    place: (name) => lookUp(name).place ?? null,
    close: () => file.close(),
  };
}

function* sourcesOf(file: GgufFile, part: GgufPart, parts: readonly GgufPart[]): Generator<Source> {
  const { name, from, shape, how } = part;
  if (how.kind === 'computed') return; // gguf-config.ts has read what it says
  const stored = file.tensors.get(name);
  if (!stored) missingTensor(file.path, name);
  const { dtype, byteLength, offset } = stored, first = from[0]!, placed = (skip: number, headDim = 0): FilePlace => ({ ...file.place!(name)!, position: offset + skip, headDim });
  if (how.kind === 'same') {
    // A shape that differs is reported when the weights are read, with what config.json asks for.
    yield { entry: { name: first, dtype, shape: stored.shape, byteLength }, place: placed(0), bytes: (start, count, into) => file.readBytes(name, start, count, into), floats: (start, count) => file.readFloat32(name, start, count) };
    return;
  }
  if (how.kind === 'higher') {
    const lower = (start?: number, count?: number): Floats => file.readFloat32(name, start, count).map((x) => x - 1), values = elementCount(stored.shape);
    yield { entry: { name: first, dtype: 'F32', shape: stored.shape, byteLength: 4 * values }, bytes: (start, count) => slice(new Uint8Array(lower().buffer), start, count), floats: lower };
    return;
  }
  if (how.kind === 'permuted') {
    const rows = stored.shape[0]!;
    if (how.headDim % 2 !== 0 || rows % how.headDim !== 0) throw formatError(file.path, `tensor ${quoted(name)} does not consist of heads of ${how.headDim} rows`);
    yield {
      entry: { name: first, dtype, shape: stored.shape, byteLength }, place: placed(0, how.headDim), bytes: (start, count) => slice(unpermuteRows(file.readBytes(name), rows, how.headDim), start, count),
      floats: (start, count) => range(unpermuteRows(file.readFloat32(name), rows, how.headDim), first, start, count),
    };
    return;
  }
  if (stored.shape.length !== shape.length || shape.some((d, i) => d !== stored.shape[i])) {
    throw formatError(file.path, `tensor ${quoted(name)} has the shape [${stored.shape.join(', ')}], its keys ask for [${shape.join(', ')}]`);
  }
  if (how.kind === 'stacked') {
    const [E, ...rest] = shape as [number, number, number], bytes = byteLength / E, values = elementCount(rest);
    for (const [e, expert] of from.entries()) {
      yield {
        entry: { name: expert, dtype, shape: rest, byteLength: bytes }, place: placed(e * bytes), bytes: (start = 0, count = bytes - start, into) => file.readBytes(name, e * bytes + start, Math.min(count, bytes - start), into),
        floats: (start = 0, count = values - start) => file.readFloat32(name, e * values + start, count),
      };
    }
  } else if (how.kind === 'keys') {
    const other = parts.find((p) => p.how.kind === 'values' && p.from[0] === first)!.name, { H, nope, v, R } = how;
    if (!file.tensors.has(other)) missingTensor(file.path, other);
    const whole = (): Floats => joinParts(file.readFloat32(name), file.readFloat32(other), how), joined = [H * (nope + v), R];
    yield {
      entry: { name: first, dtype: 'F32', shape: joined, byteLength: elementCount(joined) * 4 },
      bytes: (start, count) => slice(new Uint8Array(whole().buffer), start, count), floats: (start, count) => range(whole(), first, start, count),
    };
  }
}

const slice = (all: Uint8Array<ArrayBuffer>, start = 0, count = all.length - start): Uint8Array<ArrayBuffer> => (start === 0 && count >= all.length ? all : all.slice(start, start + count));

function range(all: Floats, name: string, start = 0, count = all.length - start): Floats {
  if (!(start >= 0 && count >= 0 && start + count <= all.length)) throw new RangeError(`elements ${start} to ${start + count} of ${name}`);
  return start === 0 && count === all.length ? all : all.slice(start, start + count);
}

/** Rows (heads * headDim) from GGUF's order to Hugging Face's. */
export function unpermuteRows<T extends Floats | Bytes>(data: T, rows: number, headDim: number): T {
  const width = data.length / rows, out = data.slice() as T, half = headDim / 2;
  for (let head = 0; head < rows; head += headDim) {
    for (let t = 0; t < 2; t++) for (let j = 0; j < half; j++) {
      const from = (head + 2 * j + t) * width;
      out.set(data.subarray(from, from + width), (head + t * half + j) * width);
    }
  }
  return out;
}
