// A GGUF model in one file or in parts, NAME-00001-of-0000N.gguf: the first has the keys and split.count, each has its number
// (split.no, from 0) and tensors of its own. Source: llama.cpp tools/gguf-split, read, not copied.

import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { TiefsucheError } from '../../errors.ts';
import { formatError, quoted } from './format-error.ts';
import { ggufPartPaths, mostParts } from './gguf-parts.ts';
import { type GgufEntry, type GgufFile, readGguf } from './gguf.ts';
import { missingTensor } from './safetensors.ts';

/** Opens a file, and where it is the first of several parts, all of them as one. Close it when done. */
export function readGgufParts(path: string): GgufFile {
  const first = readGguf(path), count = numberOf(first, 'split.count') ?? 1;
  if (count <= 1) return first;
  const files = [first];
  const close = (): void => { for (const file of files) file.close(); };
  try {
    const paths = ggufPartPaths(path);
    if (count > mostParts || paths.length !== count) throw formatError(path, `it is one of ${count} parts, but is not called NAME-00001-of-${String(count).padStart(5, '0')}.gguf`, 'Give the parts the names they had; each is found by its name.');
    if (numberOf(first, 'split.no') !== 0) throw new TiefsucheError('INPUT', `${path} is part ${(numberOf(first, 'split.no') ?? 0) + 1} of ${count}`, { hint: `Give the first part: ${basename(paths[0]!)}.` });
    const missing = paths.filter((p) => !existsSync(p));
    if (missing.length > 0) throw new TiefsucheError('NOT_FOUND', `of the ${count} parts of ${basename(path)} these are missing: ${missing.map((p) => basename(p)).join(', ')}`, { hint: 'Put all parts into one folder.' });
    const tensors = new Map<string, GgufEntry>(), owner = new Map<string, GgufFile>();
    paths.forEach((part, i) => {
      if (i > 0) files.push(readGguf(part));
      const file = files[i]!;
      if (numberOf(file, 'split.no') !== i || numberOf(file, 'split.count') !== count) throw formatError(part, `it says that it is part ${quoted(numberOf(file, 'split.no'))} of ${quoted(numberOf(file, 'split.count'))}, not ${i} of ${count}`, 'Its name belongs to another file.');
      for (const [name, entry] of file.tensors) {
        if (tensors.has(name)) throw formatError(part, `tensor ${quoted(name)} stands in ${basename(owner.get(name)!.path)} too`);
        tensors.set(name, entry);
        owner.set(name, file);
      }
    });
    const total = numberOf(first, 'split.tensors.count');
    if (total !== null && total !== tensors.size) throw formatError(path, `its parts have ${tensors.size} tensors together, it announces ${total}`);
    const fileOf = (name: string): GgufFile => owner.get(name) ?? missingTensor(path, name);
    return {
      ...first, tensors, close,
      readBytes: (name, start, length, into) => fileOf(name).readBytes(name, start, length, into),
      readFloat32: (name, start, length) => fileOf(name).readFloat32(name, start, length),
      place: (name) => fileOf(name).place!(name),
    };
  } catch (error) {
    close();
    throw error;
  }
}

function numberOf({ metadata }: GgufFile, key: string): number | null {
  const value = metadata.get(key);
  return typeof value === 'number' ? value : null;
}
