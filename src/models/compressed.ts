// Weights that stay in few bits, for chat and serving: as the file has them (Q4_0, Q4_1, Q8_0, F16, BF16), or all rounded
// to bf16. Norms, biases and expert stacks become f32. Weights in groups (q, k, v) are kept as one matrix if all
// members have one type. Such a model can be sampled from, not trained, nor be saved.

import type { Backend } from '../engine/backend.ts';
import type { CompressedWeight } from '../engine/ops/linear-compressed.ts';
import { canCompress, compressedBytes, compressedTypes, intoPanels } from '../engine/panels.ts';
import { type DeviceBuffer, fixedTensor } from '../engine/tensor.ts';
import { fromFloat32 } from './formats/dtypes.ts';
import type { TensorSource } from './formats/tensor-source.ts';
import type { ParameterSpec } from './parameters.ts';

/** f32: all weights exactly as training has them. file: as they are stored. bf16: matrices rounded to 16 bits. */
export type Precision = 'f32' | 'bf16' | 'file';
export const precisions: readonly Precision[] = ['file', 'f32', 'bf16'];

export class CompressedWeights {
  private readonly backend: Backend;
  private readonly weights = new Map<string, CompressedWeight>();
  private readonly buffers: DeviceBuffer[] = [];
  private readonly covered = new Set<string>();

  /** Reads what can be kept; `covers` says what that is. */
  constructor(backend: Backend, specs: readonly ParameterSpec[], source: TensorSource, precision: 'bf16' | 'file') {
    this.backend = backend;
    const groups = new Map<string, ParameterSpec[]>();
    for (const spec of specs) {
      if (spec.shape.length !== 2 || spec.stack || spec.kind === 'buffer') continue;
      const name = spec.group ?? spec.name;
      groups.set(name, [...(groups.get(name) ?? []), spec]);
    }
    for (const [name, members] of groups) this.keep(name, members, source, precision);
  }

  private keep(name: string, members: readonly ParameterSpec[], source: TensorSource, precision: 'bf16' | 'file'): void {
    const K = members[0]!.shape[1]!;
    const entries = members.map((m) => source.tensors.get(m.name));
    // What does not fit is left to readWeights, which says why.
    if (entries.some((e, i) => !e || e.shape.length !== 2 || e.shape[0] !== members[i]!.shape[0] || e.shape[1] !== K)) return;
    const fileTypes = entries.map((e) => (precision === 'bf16' ? 'BF16' : e!.dtype));
    const [type] = new Set(fileTypes.map((t) => (Object.hasOwn(compressedTypes, t) ? compressedTypes[t] : undefined)));
    if (!type || fileTypes.some((t) => compressedTypes[t] !== type) || !canCompress(type, K)) return;
    const N = members.reduce((n, m) => n + m.shape[0]!, 0), panels = new Uint8Array(compressedBytes(type, N, K));
    let row = 0;
    members.forEach((member, i) => {
      const stored = entries[i]!.dtype === fileTypes[i];
      const bytes = stored ? source.readBytes(member.name) : fromFloat32(source.readFloat32(member.name), 'BF16');
      intoPanels(fileTypes[i]!, bytes, K, row, panels);
      row += member.shape[0]!;
      this.covered.add(member.name);
    });
    const buffer = this.backend.allocate(panels.length);
    this.buffers.push(buffer);
    this.backend.upload(buffer, 0, panels);
    this.weights.set(name, { type, shape: [N, K], panels: fixedTensor(buffer, 0, [panels.length / 4], 'i32', name) });
  }

  covers(parameter: string): boolean { return this.covered.has(parameter); }

  /** A weight or group. */
  get(name: string): CompressedWeight | undefined { return this.weights.get(name); }

  get bytes(): number { return this.buffers.reduce((sum, b) => sum + b.bytes, 0); }

  close(): void { for (const buffer of this.buffers) this.backend.free(buffer); }
}
