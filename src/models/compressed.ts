// Weights that stay in few bits, for chat and serving and beneath adapters that train: as the file has them (Q4_0 … Q6_K, F16, BF16), or all rounded
// to bf16. Norms, biases and expert stacks become f32. Weights in groups (q, k, v) are kept as one matrix if all
// members have one type.

import type { Backend } from '../engine/backend.ts';
import type { CompressedWeight } from '../engine/ops/linear-compressed.ts';
import { type CompressedType, canCompress, compressedBytes, compressedTypes, fromPanels, panelBytes, panelRows } from '../engine/panels.ts';
import { intoPanels } from '../engine/panels-from-files.ts';
import { type DeviceBuffer, fixedTensor } from '../engine/tensor.ts';
import { fromFloat32 } from './formats/dtypes.ts';
import { requireFiniteBytes } from './formats/finite.ts';
import type { TensorSource } from './formats/tensor-source.ts';
import type { ParameterSpec } from './parameters.ts';

/** f32: all weights exactly as training has them. file: as they are stored. bf16: matrices rounded to 16 bits. */
export type Precision = 'f32' | 'bf16' | 'file';
export const precisions: readonly Precision[] = ['file', 'f32', 'bf16'];

/** Where a parameter lies: rows of a weight or group. */
interface Part { readonly weight: CompressedWeight; readonly row: number; readonly rows: number }

interface Kept { readonly name: string; readonly members: readonly ParameterSpec[]; readonly fileTypes: readonly string[]; readonly type: CompressedType; readonly N: number; readonly K: number }

export class CompressedWeights {
  private readonly backend: Backend;
  private readonly weights = new Map<string, CompressedWeight>();
  private readonly parts = new Map<string, Part>();
  /** All weights one after another in the order of use, so that reading ahead at the end of one fetches the next. */
  private readonly buffer: DeviceBuffer;

  /** Reads what can be kept; `covers` says what that is. With `dry` only room is made. */
  constructor(backend: Backend, specs: readonly ParameterSpec[], source: TensorSource, precision: 'bf16' | 'file', { dry = false } = {}) {
    this.backend = backend;
    const groups = new Map<string, ParameterSpec[]>();
    for (const spec of specs) {
      if (spec.shape.length !== 2 || spec.stack || spec.kind === 'buffer') continue;
      const name = spec.group ?? spec.name;
      groups.set(name, [...(groups.get(name) ?? []), spec]);
    }
    const kept = [...groups].flatMap(([name, members]) => keep(name, members, source, precision) ?? []);
    this.buffer = backend.allocate(Math.max(64, kept.reduce((sum, k) => sum + compressedBytes(k.type, k.N, k.K), 0)));
    const most = dry ? 0 : Math.max(0, ...kept.map(portionBytes)), memory = { bytes: new Uint8Array(most), panels: new Uint8Array(most) };
    let offset = 0;
    for (const k of kept) {
      const bytes = compressedBytes(k.type, k.N, k.K), weight: CompressedWeight = { type: k.type, shape: [k.N, k.K], panels: fixedTensor(this.buffer, offset, [bytes / 4], 'i32', k.name) };
      if (!dry) for (const [at, panels] of panelsOf(k, source, memory)) backend.upload(this.buffer, offset + at, panels);
      this.weights.set(k.name, weight);
      let row = 0;
      for (const { name, shape } of k.members) { this.parts.set(name, { weight, row, rows: shape[0]! }); row += shape[0]!; }
      offset += bytes;
    }
  }

  covers(parameter: string): boolean { return this.parts.has(parameter); }

  /** The values of a parameter as f32. @param into memory to use again; its beginning is returned */
  read(parameter: string, into?: Float32Array): Float32Array {
    const { weight: { type, shape: [, K], panels }, row, rows } = this.parts.get(parameter)!, values = into?.subarray(0, rows * K) ?? new Float32Array(rows * K);
    const first = Math.floor(row / panelRows), bytes = new Uint8Array(compressedBytes(type, row + rows - first * panelRows, K));
    this.backend.download(panels.storage.buffer!, panels.storage.offset + first * panelBytes(type, K), bytes);
    fromPanels(type, bytes, K, row - first * panelRows, rows, values);
    return values;
  }

  /** A weight or group. */
  get(name: string): CompressedWeight | undefined { return this.weights.get(name); }

  get bytes(): number { return this.buffer.bytes; }

  close(): void { this.backend.free(this.buffer); }
}

/** How a weight or group can be kept, if it can. What does not fit the configuration is left to readWeights, which says why. */
function keep(name: string, members: readonly ParameterSpec[], source: TensorSource, precision: 'bf16' | 'file'): Kept | null {
  const K = members[0]!.shape[1]!, entries = members.map((m) => source.tensors.get(m.name));
  if (entries.some((e, i) => !e || e.shape.length !== 2 || e.shape[0] !== members[i]!.shape[0] || e.shape[1] !== K)) return null;
  const fileTypes = entries.map((e) => (precision === 'bf16' ? 'BF16' : e!.dtype));
  const types = new Set(fileTypes.map((t) => (Object.hasOwn(compressedTypes, t) ? compressedTypes[t] : undefined))), [type] = types;
  if (!type || types.size > 1 || !canCompress(type, K)) return null;
  return { name, members, fileTypes, type, N: members.reduce((n, m) => n + m.shape[0]!, 0), K };
}

/** Bytes that are laid out at a time: a large weight never stands in memory twice. */
const portion = 2 ** 21;

const rowsAtOnce = ({ type, N, K }: Kept): number => Math.min(N, panelRows * Math.max(1, Math.floor(portion / panelBytes(type, K))));
const portionBytes = (kept: Kept): number => compressedBytes(kept.type, rowsAtOnce(kept), kept.K);

/** Portions of a weight's panels and where they belong; each is read and laid out over the one before. */
function* panelsOf(kept: Kept, source: TensorSource, memory: { readonly bytes: Uint8Array<ArrayBuffer>; readonly panels: Uint8Array }): Generator<readonly [offset: number, panels: Uint8Array]> {
  const { members, fileTypes, type, N, K } = kept, atOnce = rowsAtOnce(kept);
  for (let start = 0; start < N; start += atOnce) {
    const end = Math.min(N, start + atOnce), panels = memory.panels.subarray(0, compressedBytes(type, end - start, K)).fill(0);
    let row = 0;
    members.forEach(({ name, shape }, i) => {
      const rows = shape[0]!, from = Math.max(start, row), to = Math.min(end, row + rows), { dtype, byteLength } = source.tensors.get(name)!;
      if (from < to) {
        const bytes = dtype === fileTypes[i] ? source.readBytes(name, (from - row) * (byteLength / rows), (to - from) * (byteLength / rows), memory.bytes) : fromFloat32(source.readFloat32(name, (from - row) * K, (to - from) * K), 'BF16');
        requireFiniteBytes(name, fileTypes[i]!, bytes);
        intoPanels(fileTypes[i]!, bytes, K, from - start, panels);
      }
      row += rows;
    });
    yield [(start / panelRows) * panelBytes(type, K), panels];
  }
}
