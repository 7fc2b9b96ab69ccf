// A random model of a benchmark's shape, as a Hugging Face folder in bf16 and as GGUF in any format, in a temporary place or
// one that is kept. Its bytes are random blocks again and again with small scales: what they say matters to nobody, and
// nothing has to be rounded to a format first.

import { randomFillSync } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ggufArchitectureOf, string } from '../src/models/formats/gguf-architectures.ts';
import type { GgufFormat } from '../src/models/formats/gguf-quantize.ts';
import { ggmlTypes } from '../src/models/formats/gguf-quants.ts';
import { ggufTokenizerKeys } from '../src/models/formats/gguf-tokenizer-write.ts';
import { fittingType, ggufTensorBytes, writeGguf } from '../src/models/formats/gguf-write.ts';
import { saveModelFolder } from '../src/models/formats/hf-folder.ts';
import { architectureOf } from '../src/models/index.ts';
import { charTokenizer } from '../src/tokenizer/char-tokenizer.ts';
import { loadTokenizer } from '../src/tokenizer/tokenizer.ts';
import { benchModels } from './models.ts';

export interface RandomModel { readonly folder: string; readonly gguf: string; remove(): void }

/** Bytes at which f16 scales stand in a block. */
const scales: Readonly<Record<string, readonly number[]>> = { Q8_0: [0], Q5_0: [0], Q5_1: [0, 2], Q4_K: [0, 2], Q5_K: [0, 2], Q6_K: [208] };

/** Random bytes of a type: numbers of about 0.01. */
function randomBytes(dtype: string, bytes: number): Uint8Array {
  if (dtype === 'F32') return new Uint8Array(new Float32Array(bytes / 4).fill(1).buffer);
  const size = [...ggmlTypes.values()].find((t) => t.name === dtype)!.bytes, tile = randomFillSync(new Uint8Array(size * 4096)), out = new Uint8Array(bytes);
  const at = scales[dtype];
  for (let b = 0; b < tile.length; b += size) {
    if (at) for (const scale of at) tile[b + scale + 1] = dtype.endsWith('K') ? 0x01 : 0x04; // f16 of 2⁻¹⁵ and 2⁻¹⁴, times integers
    else tile[b + 1] = (tile[b + 1]! & 0x80) | (dtype === 'F16' ? 0x20 : 0x3c); // f16 of 2⁻⁷, bf16 of 2⁻⁷
  }
  for (let done = 0; done < bytes; done += tile.length) out.set(tile.subarray(0, Math.min(tile.length, bytes - done)), done);
  return out;
}

/** @param kept a folder where models are kept for the next time, and taken from where they are there */
export async function randomModel(name: string, format: GgufFormat, kept?: string): Promise<RandomModel> {
  const place = kept === undefined ? mkdtempSync(join(tmpdir(), 'tiefsuche-bench-')) : join(kept, name), folder = join(place, 'model'), gguf = join(place, `model.${format}.gguf`);
  const remove = (): void => { if (kept === undefined) rmSync(place, { recursive: true, force: true }); };
  mkdirSync(place, { recursive: true });
  try {
    const config = benchModels[name]!.config as unknown as { model_type: string; vocab_size: number } & Record<string, unknown>, specs = architectureOf(config.model_type).parameters(config);
    const { tokenizerJson, tokenizerConfig } = charTokenizer([...'abc'], { tokens: ['<e>', '<u>'], eos: '<e>', unk: '<u>' });
    if (!existsSync(folder)) await saveModelFolder(folder, {
      config: { ...config, torch_dtype: 'bfloat16' }, tokenizerJson, tokenizerConfig,
      tensors: specs.map((s) => ({ name: s.name, shape: s.shape, dtype: 'BF16' as const, data: () => randomBytes('BF16', 2 * s.shape.reduce((a, b) => a * b, 1)) })),
    });
    if (!existsSync(gguf)) {
      const architecture = ggufArchitectureOf(config.model_type), keys = [...architecture.keys(config)].map(([key, value]) => [`${architecture.name}.${key}`, value] as const);
      await writeGguf(gguf, new Map([['general.architecture', string(architecture.name)], ...keys, ...ggufTokenizerKeys(loadTokenizer(tokenizerJson, tokenizerConfig), config.vocab_size, [], undefined)]), architecture.parts(config).map((part) => {
        const { name, shape } = part, head = name === 'token_embd.weight' && (format === 'Q4_K' || format === 'Q5_K') ? 'Q6_K' : format, dtype = part.exact ? 'F32' : fittingType(head, shape.at(-1)!);
        return { name, shape, dtype, data: () => randomBytes(dtype, ggufTensorBytes({ shape, dtype })) };
      }));
    }
    return { folder, gguf, remove };
  } catch (error) {
    remove();
    throw error;
  }
}
