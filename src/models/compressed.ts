// Weights that stay in few bits, for chat and serving and beneath adapters that train: as the file has them (Q4_0 … Q6_K,
// MXFP4, F16, BF16), or all rounded to bf16. Norms and biases become f32. Weights in groups (q, k, v) are kept as one matrix
// and experts as a stack of them if all members have one type.

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

/** Where a parameter lies: rows of a weight or group, or of matrix `matrix` of a stack. */
interface Part { readonly weight: CompressedWeight; readonly matrix: number; readonly row: number; readonly rows: number }

/** A weight, group or stack of groups; every matrix (N, K) has its members one below the other. */
interface Kept { readonly name: string; readonly matrices: readonly (readonly ParameterSpec[])[]; readonly fileTypeOf: ReadonlyMap<ParameterSpec, string>; readonly type: CompressedType; readonly N: number; readonly K: number }

const bytesOf = ({ matrices, type, N, K }: Kept): number => matrices.length * compressedBytes(type, N, K);

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
      if (spec.shape.length !== 2 || spec.kind === 'buffer' || spec.f32) continue;
      const name = spec.group ?? spec.name, group = groups.get(name);
      if (group) group.push(spec);
      else groups.set(name, [spec]);
    }
    const kept = [...groups].flatMap(([name, members]) => keep(name, members, source, precision) ?? []);
    this.buffer = backend.allocate(Math.max(64, kept.reduce((sum, k) => sum + bytesOf(k), 0)));
    const memory = new PortionMemory();
    let offset = 0;
    try {
      for (const k of kept) {
        const { name, type, N, K, matrices } = k, each = compressedBytes(type, N, K);
        const weight: CompressedWeight = { type, shape: [N, K], panels: fixedTensor(this.buffer, offset, [bytesOf(k) / 4], 'i32', name), ...(matrices[0]![0]!.stack && { stack: matrices.length }) };
        this.weights.set(name, weight);
        matrices.forEach((members, matrix) => {
          if (!dry) fillMatrix(backend, this.buffer, offset + matrix * each, k, members, source, memory);
          let row = 0;
          for (const spec of members) { this.parts.set(spec.name, { weight, matrix, row, rows: spec.shape[0]! }); row += spec.shape[0]!; }
        });
        offset += bytesOf(k);
      }
    } catch (error) {
      backend.free(this.buffer);
      throw error;
    }
  }

  covers(parameter: string): boolean { return this.parts.has(parameter); }

  /** The values of a parameter as f32. @param into memory to use again; its beginning is returned */
  read(parameter: string, into?: Float32Array): Float32Array {
    const { weight: { type, shape: [N, K], panels }, matrix, row, rows } = this.parts.get(parameter)!, values = into?.subarray(0, rows * K) ?? new Float32Array(rows * K);
    const first = Math.floor(row / panelRows), bytes = new Uint8Array(compressedBytes(type, row + rows - first * panelRows, K));
    this.backend.download(panels.storage.buffer!, panels.storage.offset + matrix * compressedBytes(type, N, K) + first * panelBytes(type, K), bytes);
    fromPanels(type, bytes, K, row - first * panelRows, rows, values);
    return values;
  }

  /** A weight, group or stack. */
  get(name: string): CompressedWeight | undefined { return this.weights.get(name); }

  get bytes(): number { return this.buffer.bytes; }

  close(): void { this.backend.free(this.buffer); }
}

/** How a weight or group can be kept, if it can. What does not fit the configuration is left to readWeights, which says why. */
function keep(name: string, members: readonly ParameterSpec[], source: TensorSource, precision: 'bf16' | 'file'): Kept | null {
  const K = members[0]!.shape[1]!, entries = members.map((m) => source.tensors.get(m.name));
  if (entries.some((e, i) => !e || e.shape.length !== 2 || e.shape[0] !== members[i]!.shape[0] || e.shape[1] !== K)) return null;
  const fileTypes = entries.map((e) => (precision === 'bf16' ? 'BF16' : e!.dtype)), stack = members[0]!.stack ?? 1, each = members.length / stack;
  const types = new Set(fileTypes.map((t) => (Object.hasOwn(compressedTypes, t) ? compressedTypes[t] : undefined))), [type] = types;
  if (!type || types.size > 1 || !canCompress(type, K)) return null;
  const matrices = Array.from({ length: stack }, (_, m) => members.slice(m * each, (m + 1) * each));
  return { name, matrices, fileTypeOf: new Map(members.map((m, i) => [m, fileTypes[i]!])), type, N: matrices[0]!.reduce((n, m) => n + m.shape[0]!, 0), K };
}

/** Reads the members of a matrix into its panels: by the backend itself where they lie in a file as they are, else portion by portion. */
function fillMatrix(backend: Backend, buffer: DeviceBuffer, offset: number, kept: Kept, members: readonly ParameterSpec[], source: TensorSource, memory: PortionMemory): void {
  const places = members.map(({ name }) => source.place?.(name) ?? null);
  if (backend.fill && members.every((m, i) => places[i]?.fileType === kept.fileTypeOf.get(m))) {
    let first = 0;
    const done = members.every(({ shape }, i) => backend.fill!(buffer, offset, { ...places[i]!, rows: shape[0]!, K: kept.K, first: (first += shape[0]!) - shape[0]!, as: 'panels' }));
    if (done) return;
  } // what is no number is named below
  for (const [at, panels] of panelsOf(kept, members, source, memory)) backend.upload(buffer, offset + at, panels);
}

/** Bytes that are laid out at a time: a large weight never stands in memory twice. */
const portion = 2 ** 21;

/** Bytes of a portion as read and as laid out, used again for the next. */
class PortionMemory {
  private bytes = new Uint8Array(0);
  private panels = new Uint8Array(0);
  of(bytes: number): { bytes: Uint8Array<ArrayBuffer>; panels: Uint8Array } {
    if (this.panels.length < bytes) { this.bytes = new Uint8Array(bytes); this.panels = new Uint8Array(bytes); }
    return { bytes: this.bytes, panels: this.panels.subarray(0, bytes).fill(0) };
  }
}

/** Portions of a matrix's panels and where they belong; each is read and laid out over the one before. */
function* panelsOf({ fileTypeOf, type, N, K }: Kept, members: readonly ParameterSpec[], source: TensorSource, memory: PortionMemory): Generator<readonly [offset: number, panels: Uint8Array]> {
  const atOnce = Math.min(N, panelRows * Math.max(1, Math.floor(portion / panelBytes(type, K))));
  for (let start = 0; start < N; start += atOnce) {
    const end = Math.min(N, start + atOnce), { bytes: into, panels } = memory.of(compressedBytes(type, end - start, K));
    let row = 0;
    for (const spec of members) {
      const { name, shape } = spec, fileType = fileTypeOf.get(spec)!;
      const rows = shape[0]!, from = Math.max(start, row), to = Math.min(end, row + rows), { dtype, byteLength } = source.tensors.get(name)!;
      if (from < to) {
        const bytes = dtype === fileType ? source.readBytes(name, (from - row) * (byteLength / rows), (to - from) * (byteLength / rows), into) : fromFloat32(source.readFloat32(name, (from - row) * K, (to - from) * K), 'BF16');
        requireFiniteBytes(name, fileType, bytes);
        intoPanels(fileType, bytes, K, from - start, panels);
      }
      row += rows;
    }
    yield [(start / panelRows) * panelBytes(type, K), panels];
  }
}
