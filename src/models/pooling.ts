// How a model makes one vector of a text, where its files say so: sentence-transformers' modules.json with
// 1_Pooling/config.json, or the key `ARCH.pooling_type` of a GGUF file (llama.h: 0 none, 1 mean, 2 first token, 3 last,
// 4 rank). The models here are causal, each token sees those before it: a mean or the last token can stand for the text,
// the first one has seen nothing.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatError } from './formats/format-error.ts';
import { readGguf } from './formats/gguf.ts';

export interface Pooling {
  readonly how: 'mean' | 'last';
  /** Scaled to length 1. */
  readonly normalised: boolean;
  /** Lengths to which a vector may be cut; `any` below its own, null: it may not. */
  readonly dimensions: 'any' | readonly number[] | null;
}

/** What is declared and cannot be done. */
export interface NoPooling { readonly refused: string }

/** Null: the files say nothing, the model was not made for it. */
export function poolingOf(path: string): Pooling | NoPooling | null {
  return path.endsWith('.gguf') ? ofGguf(path) : ofFolder(path);
}

function ofGguf(path: string): Pooling | NoPooling | null {
  const file = readGguf(path), { metadata } = file;
  file.close();
  return ggufPooling(metadata.get(`${String(metadata.get('general.architecture'))}.pooling_type`));
}

/** llama.h's enum llama_pooling_type, of what is known here. */
export const poolingTypes = { mean: 1, last: 3 } as const;

/** llama.cpp's server gives pooled vectors of length 1. */
export function ggufPooling(type: unknown): Pooling | NoPooling | null {
  if (type === undefined || type === 0) return null;
  if (type === poolingTypes.mean || type === poolingTypes.last) return { how: type === poolingTypes.mean ? 'mean' : 'last', normalised: true, dimensions: null };
  return { refused: type === 2 ? firstToken : `its file asks for pooling of the type ${String(type)}, which gives no vector of a text` };
}

const firstToken = 'its files ask for the state of the first token, which in a causal model has seen nothing of the text';

type Json = Readonly<Record<string, unknown>>;

function readJson(path: string): unknown {
  if (!existsSync(path)) return undefined;
  try { return JSON.parse(readFileSync(path, 'utf8')); } catch (error) { throw formatError(path, 'it is not valid JSON', undefined, error); }
}

function ofFolder(folder: string): Pooling | NoPooling | null {
  const modules = readJson(join(folder, 'modules.json'));
  if (modules === undefined) return null;
  if (!Array.isArray(modules)) throw formatError(join(folder, 'modules.json'), 'it is not a list');
  let pooling: Json | undefined, normalised = false;
  for (const { type, path } of modules as readonly { readonly type?: unknown; readonly path?: unknown }[]) {
    const name = String(type).split('.').at(-1);
    if (name === 'Pooling') pooling = readJson(join(folder, String(path), 'config.json')) as Json | undefined;
    else if (name === 'Normalize') normalised = true;
    else if (name !== 'Transformer') return { refused: `its modules.json asks for a step "${name}", which is not known here` };
  }
  if (pooling === undefined) return null;
  const how = pooledBy(pooling);
  return typeof how === 'object' ? how : { how, normalised, dimensions: cutTo((readJson(join(folder, 'config.json')) ?? {}) as Json) };
}

/** One flag a kind; newer files name it under `pooling_mode`. */
function pooledBy(pooling: Json): Pooling['how'] | NoPooling {
  const named = pooling['pooling_mode'], flags = Object.keys(pooling).filter((key) => key.startsWith('pooling_mode_') && pooling[key] === true).map((key) => key.slice('pooling_mode_'.length).replace(/_tokens?$/, ''));
  const modes = typeof named === 'string' ? [named] : Array.isArray(named) ? named.map(String) : flags;
  if (modes.length === 1 && modes[0] === 'mean') return 'mean';
  if (modes.length === 1 && modes[0] === 'lasttoken') return 'last';
  return { refused: modes.length === 1 && modes[0] === 'cls' ? firstToken : `its 1_Pooling asks for "${modes.join(', ')}"; the mean and the last token are known here` };
}

/** config.json may say that the vector's beginning stands for the whole (Matryoshka), under the names that vLLM reads. */
function cutTo(config: Json): Pooling['dimensions'] {
  const listed = config['matryoshka_dimensions'];
  if (Array.isArray(listed) && listed.every((n) => Number.isInteger(n))) return listed as number[];
  return config['is_matryoshka'] === true ? 'any' : null;
}

/** The vector of a text from the states of its tokens, which come in pieces (count, C) in their order. */
export class Pooled {
  private readonly pooling: Pooling;
  readonly channels: number;
  private readonly sum: Float64Array;
  private count = 0;

  constructor(pooling: Pooling, channels: number) {
    this.pooling = pooling;
    this.channels = channels;
    this.sum = new Float64Array(channels);
  }

  clear(): void {
    this.sum.fill(0);
    this.count = 0;
  }

  add(states: Float32Array): void {
    const { sum, channels: C, pooling: { how } } = this;
    if (how === 'last') sum.set(states.subarray(states.length - C));
    else for (let i = 0; i < states.length; i++) sum[i % C]! += states[i]!;
    this.count += states.length / C;
  }

  vector(): Float32Array {
    const { sum, count, pooling: { how, normalised } } = this, mean = Float32Array.from(sum, (x) => (how === 'mean' ? x / count : x));
    return normalised ? ofLengthOne(mean) : mean;
  }
}

export function ofLengthOne(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));
  return length > 0 ? vector.map((x) => x / length) : vector;
}
