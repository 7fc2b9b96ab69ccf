// Writes a model as one GGUF file: keys, tokenizer, chat template, tensors. Vectors and routers stay f32; the rest has the
// asked format or its fallback; the output head (or the embedding that serves as one) is Q6_K where less was asked for,
// as llama.cpp's quantiser has it, since it costs little and its errors go straight into the answer.

import { basename } from 'node:path';
import { ggufArchitectureOf, makePart, string, u32 } from './formats/gguf-architectures.ts';
import type { TypedValue } from './formats/gguf-build.ts';
import type { GgufFormat } from './formats/gguf-quantize.ts';
import { ggufTokenizerKeys } from './formats/gguf-tokenizer-write.ts';
import { fittingType, ggufTensorBytes, writeGguf, type GgufTensorToWrite } from './formats/gguf-write.ts';
import type { ExportSource } from './export-source.ts';
import { stopIds } from './language-model.ts';
import { poolingOf, poolingTypes } from './pooling.ts';

export interface WrittenGguf {
  readonly path: string;
  readonly bytes: number;
  readonly tensors: readonly { readonly name: string; readonly type: string; readonly bytes: number }[];
  /** Tensors whose rows do not fill the asked type's blocks. */
  readonly fallbacks: readonly { readonly name: string; readonly width: number; readonly type: string }[];
  /** Weights that a GGUF file has no place for. */
  readonly leftOut: readonly string[];
}

const fileTypes: Readonly<Record<GgufFormat, number>> = { F32: 0, F16: 1, BF16: 32, Q8_0: 7, Q4_K: 14, Q5_K: 16, Q6_K: 18 };

export async function exportGguf(source: ExportSource, path: string, format: GgufFormat, { name = basename(source.path), licence }: { name?: string; licence?: string | undefined } = {}): Promise<WrittenGguf> {
  const { config } = source.files, architecture = ggufArchitectureOf(config.model_type), parts = architecture.parts(config);
  const head = parts.some((p) => p.name === 'output.weight') ? 'output.weight' : 'token_embd.weight';
  const fallbacks: { name: string; width: number; type: string }[] = [];
  const tensors = parts.map((part): GgufTensorToWrite => {
    const width = part.shape.at(-1)!, wanted = part.name === head && (format === 'Q4_K' || format === 'Q5_K') ? 'Q6_K' : format;
    const dtype = part.exact ? 'F32' : fittingType(wanted, width);
    if (!part.exact && dtype !== wanted) fallbacks.push({ name: part.name, width, type: dtype });
    return { name: part.name, shape: part.shape, dtype, data: () => makePart(part, (n) => source.read(n)) };
  });
  const rows = parts.find((p) => p.name === 'token_embd.weight')!.shape[0]!, { side } = source, pooling = poolingOf(source.path);
  const metadata = new Map<string, TypedValue>([
    ['general.architecture', string(architecture.name)], ['general.type', string('model')], ['general.name', string(name)],
    ...(licence === undefined ? [] : [['general.license', string(licence)] as const]),
    ['general.file_type', u32(fileTypes[format])], ['general.quantization_version', u32(2)],
    ...[...architecture.keys(config)].map(([key, value]) => [`${architecture.name}.${key}`, value] as const),
    ...(pooling && 'how' in pooling ? [[`${architecture.name}.pooling_type`, u32(poolingTypes[pooling.how])] as const] : []),
    ...ggufTokenizerKeys(side.tokenizer, rows, stopIds(side), side.chatTemplate),
  ]);
  const bytes = await writeGguf(path, metadata, tensors);
  const used = new Set(parts.flatMap((p) => p.from));
  return {
    path, bytes, fallbacks, tensors: tensors.map((t) => ({ name: t.name, type: t.dtype, bytes: ggufTensorBytes(t) })),
    leftOut: source.specs.map((s) => s.name).filter((n) => !used.has(n) && architecture.leftOut(config, n)),
  };
}
