// Weights as AutoModel writes them, as models that embed are published: the body alone, without "model." before each name.
// Seen through here they are called as those of a model that writes. Such a file has no output head, so only models whose
// head is the embedding can be opened with it.

import type { TensorSource } from './tensor-source.ts';

const before = 'model.';

export function withoutBareNames(source: TensorSource): TensorSource {
  if (!source.tensors.has('embed_tokens.weight')) return source;
  const own = (name: string): string => (name.startsWith(before) ? name.slice(before.length) : name);
  return {
    tensors: new Map([...source.tensors].map(([name, entry]) => [before + name, { ...entry, name: before + name }])),
    readBytes: (name, start, count, into) => source.readBytes(own(name), start, count, into),
    readFloat32: (name, start, count) => source.readFloat32(own(name), start, count),
    close: () => source.close(),
  };
}
