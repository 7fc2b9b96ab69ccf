// The weights of a Hugging Face folder: model.safetensors, or model.safetensors.index.json
// ({"metadata": {"total_size": n}, "weight_map": {tensor: shard file}}) and its shards. Shards are opened when needed.

import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { TiefsucheError } from '../../errors.ts';
import { writeFileAtomic } from '../../durable-file.ts';
import { formatError, quoted } from './format-error.ts';
import { missingTensor, readSafetensors, type SafetensorsFile } from './safetensors.ts';
import { writeSafetensors, writtenSize, type TensorToWrite } from './safetensors-write.ts';
import { parseStrictJson, type StrictJson } from './strict-json.ts';
import type { TensorEntry, TensorSource } from './tensor-source.ts';

const single = 'model.safetensors';
const index = 'model.safetensors.index.json';
const largestIndex = 100_000_000;

/** Opens a folder's weights, in one file or in shards. */
export function readSafetensorsFolder(folder: string): TensorSource {
  if (existsSync(join(folder, single))) return readSafetensors(join(folder, single));
  const path = join(folder, index);
  if (!existsSync(path)) {
    throw new TiefsucheError('NOT_FOUND', `${folder} has neither ${single} nor ${index}`,
      { hint: 'Only safetensors weights are read; convert pytorch_model.bin with safetensors, or use a GGUF file.' });
  }
  const shardOf = readIndex(path), files = new Map<string, SafetensorsFile>();
  const tensors = new Map<string, TensorEntry>();
  const close = (): void => { for (const file of files.values()) file.close(); };
  try {
    for (const [name, shard] of shardOf) {
      let file = files.get(shard);
      if (!file) files.set(shard, file = readSafetensors(join(folder, shard)));
      tensors.set(name, file.tensors.get(name) ?? missingTensor(file.path, name));
    }
    for (const file of files.values()) {
      for (const name of file.tensors.keys()) {
        if (!shardOf.has(name)) throw formatError(file.path, `it holds ${quoted(name)}, which the index does not list`);
        if (files.get(shardOf.get(name)!) !== file) throw formatError(file.path, `it holds ${quoted(name)}, which the index puts into another shard`);
      }
    }
  } catch (error) {
    close();
    throw error;
  }
  const fileOf = (name: string): SafetensorsFile => files.get(shardOf.get(name) ?? missingTensor(path, name))!;
  return {
    tensors,
    readBytes: (name, start, count, into) => fileOf(name).readBytes(name, start, count, into),
    readFloat32: (name, start, count) => fileOf(name).readFloat32(name, start, count),
    place: (name) => fileOf(name).place?.(name) ?? null,
    close,
  };
}

function readIndex(path: string): Map<string, string> {
  if (statSync(path).size > largestIndex) throw formatError(path, `the index is larger than ${largestIndex} bytes`);
  let parsed: StrictJson;
  try { parsed = parseStrictJson(readFileSync(path, 'utf8')); } catch (cause) {
    throw formatError(path, `it is not valid JSON (${(cause as Error).message})`, undefined, cause);
  }
  const map = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? parsed['weight_map'] : undefined;
  if (typeof map !== 'object' || map === null || Array.isArray(map)) throw formatError(path, 'it has no weight_map');
  const shardOf = new Map<string, string>();
  for (const name of Object.keys(map)) {
    const shard = map[name];
    // A shard is a file of this folder: a path from a stranger's index must not reach any other.
    if (typeof shard !== 'string' || !/^[^/\\:\0]+\.safetensors$/.test(shard) || shard.startsWith('.')) {
      throw formatError(path, `${quoted(name)} is in ${quoted(shard)}, which is not the name of a shard in this folder`);
    }
    shardOf.set(name, shard);
  }
  return shardOf;
}

/** Writes weights into a folder: one file up to `maxShardBytes`, else shards and an index. */
export async function writeSafetensorsFolder(folder: string, tensors: Iterable<TensorToWrite>,
  metadata: Readonly<Record<string, string>> = { format: 'pt' }, maxShardBytes = 5e9): Promise<void> {
  const sorted = [...tensors].sort((a, b) => (a.name < b.name ? -1 : 1));
  const shards: TensorToWrite[][] = [[]];
  let total = 0, filled = 0;
  for (const tensor of sorted) {
    const size = writtenSize(tensor);
    if (filled > 0 && filled + size > maxShardBytes) { shards.push([]); filled = 0; }
    shards.at(-1)!.push(tensor);
    filled += size;
    total += size;
  }
  if (shards.length === 1) { await writeSafetensors(join(folder, single), sorted, metadata); return; }
  const number = (n: number): string => String(n).padStart(5, '0');
  const rows: string[] = [];
  for (const [i, shard] of shards.entries()) {
    const name = `model-${number(i + 1)}-of-${number(shards.length)}.safetensors`;
    await writeSafetensors(join(folder, name), shard, metadata);
    rows.push(...shard.map((t) => `    ${JSON.stringify(t.name)}: ${JSON.stringify(name)}`));
  }
  const text = `{\n  "metadata": {\n    "total_size": ${total}\n  },\n  "weight_map": {\n${rows.join(',\n')}\n  }\n}\n`;
  writeFileAtomic(join(folder, index), text);
}
