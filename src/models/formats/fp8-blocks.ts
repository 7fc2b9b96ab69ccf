// FP8 weights in blocks, as DeepSeek-V3's files have them: a matrix in F8_E4M3 and NAME_scale_inv, one f32 for each block of
// 128 × 128 (`quantization_config.weight_block_size`), edge blocks smaller:  w[i, j] = fp8[i, j] · scale_inv[⌊i/128⌋, ⌊j/128⌋].
// Seen from outside the weights are the products; the scales are not there. Source: DeepSeek-V3 README_WEIGHTS.md.

import { TiefsucheError } from '../../errors.ts';
import { formatError, quoted, unsupportedError } from './format-error.ts';
import { type TensorEntry, type TensorSource, elementCount } from './tensor-source.ts';

const suffix = '_scale_inv';

/** Undoes what `quantization_config` of config.json says, if it says anything. */
export function withoutFp8(path: string, source: TensorSource, quantization: unknown): TensorSource {
  if (quantization === undefined || quantization === null) return source;
  const { quant_method: method, weight_block_size: size = [128, 128], fmt = 'e4m3' } = quantization as { quant_method?: unknown; weight_block_size?: unknown; fmt?: unknown };
  if (method !== 'fp8' || fmt !== 'e4m3' || !Array.isArray(size) || size.length !== 2 || !size.every((n) => Number.isSafeInteger(n) && n > 0)) {
    throw unsupportedError(path, `its weights are quantised as ${quoted(method)}`, 'Of quantised Hugging Face folders those in FP8 (e4m3) with blocks are read; for others use the original or a GGUF file.');
  }
  const [blockRows, blockColumns] = size as [number, number], tensors = new Map<string, TensorEntry>();
  for (const [name, entry] of source.tensors) {
    if (name.endsWith(suffix)) continue;
    if (entry.dtype === 'F8_E4M3') checkScales(path, source, entry, blockRows, blockColumns);
    tensors.set(name, entry);
  }
  return {
    tensors, readBytes: (name, start, count, into) => source.readBytes(name, start, count, into), close: () => source.close(),
    place: (name) => source.place?.(name) ?? null, // an F8 weight's bytes are not its values, but no backend takes F8
    readFloat32(name, start = 0, count) {
      const entry = tensors.get(name), values = source.readFloat32(name, start, count);
      if (entry?.dtype !== 'F8_E4M3') return values;
      const columns = entry.shape[1]!, scales = source.readFloat32(`${name}${suffix}`), across = Math.ceil(columns / blockColumns);
      for (let n = 0; n < values.length; n++) {
        const i = Math.floor((start + n) / columns), j = (start + n) % columns;
        values[n]! *= scales[Math.floor(i / blockRows) * across + Math.floor(j / blockColumns)]!;
      }
      return values;
    },
  };
}

function checkScales(path: string, source: TensorSource, { name, shape }: TensorEntry, blockRows: number, blockColumns: number): void {
  const scales = source.tensors.get(`${name}${suffix}`);
  if (!scales) throw new TiefsucheError('NOT_FOUND', `${path} has ${quoted(name)} in FP8 without its scales ${quoted(name + suffix)}`, { hint: 'The folder may be incomplete; fetch it again.' });
  const expected = [Math.ceil(shape[0]! / blockRows), Math.ceil(shape[1]! / blockColumns)];
  if (shape.length !== 2 || scales.shape.length !== 2 || elementCount(scales.shape) !== expected[0]! * expected[1]! || scales.shape[0] !== expected[0]) {
    throw formatError(path, `the scales of ${quoted(name)} are [${scales.shape}], its blocks are [${expected}]`);
  }
}
