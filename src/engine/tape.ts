// The tape records the commands of one step and how to go back. Forward: ops emit commands and push a closure. Backward:
// the closures run in reverse and emit the commands of the gradients. Nothing is computed while recording.
//
// Gradients of activations: the first writer stores, later writers accumulate (`gradOf` says which). `add` hands its
// gradient to both inputs without a copy (`shareGrad`); whoever then wants to accumulate into a shared one gets its own
// copy, unless the other reader is already done. Gradients of weights always accumulate.

import { invariant } from '../errors.ts';
import { Arena, type Command, type Program, type Upload, countFlops, planStorage } from './program.ts';
import { type DType, type Shape, type Storage, type Tensor, bytesPerElement, rowLength, sizeOf } from './tensor.ts';

interface Gradient { storage: Storage; written: [start: number, end: number][] }

export interface Grad { readonly tensor: Tensor; readonly accumulate: number }

export class Tape {
  private readonly commands: Command[] = [];
  private readonly uploads: Upload[] = [];
  private readonly outputs = new Set<Storage>();
  private readonly nodes: { output: Storage; backward: () => void }[] = [];
  private readonly gradients = new Map<Storage, Gradient>();
  private readonly holders = new Map<Storage, number>(); // gradient storage → how many tensors call it theirs
  readonly training: boolean;

  /** `training: false` records forward passes for sampling and evaluation: no backward, FLOP counted as sampling. */
  constructor(options: { training: boolean }) { this.training = options.training; }

  /** Working memory that lives as long as commands use it. */
  temp(shape: Shape, dtype: DType = 'f32', label = 'temp'): Tensor {
    const storage: Storage = { bytes: sizeOf(shape) * bytesPerElement[dtype], label, buffer: null, offset: -1, needsGrad: false };
    return { dtype, shape, ld: rowLength(shape), storage, offset: 0 };
  }

  /** Host data, uploaded when the program runs. */
  input(data: Float32Array | Int32Array, shape: Shape = [data.length], label = 'input'): Tensor {
    invariant(data.length === sizeOf(shape), `input ${label}: ${data.length} values for shape [${shape}]`);
    const tensor = this.temp(shape, data instanceof Int32Array ? 'i32' : 'f32', label);
    this.uploads.push({ tensor, data });
    return tensor;
  }

  /** Keeps a tensor readable after the run. */
  output(t: Tensor): Tensor {
    if (t.storage.buffer === null) this.outputs.add(t.storage);
    return t;
  }

  emit(kernel: string, tensors: readonly (Tensor | null | undefined)[], attributes: readonly number[]): void {
    this.commands.push({ kernel, tensors: tensors.map((t) => t ?? null), attributes });
  }

  /** Registers the way back from `output`, if any of `inputs` wants a gradient. */
  node(output: Tensor, inputs: readonly (Tensor | null | undefined)[], backward: () => void): void {
    if (!this.training || !inputs.some((t) => t && this.needsGrad(t))) return;
    output.storage.needsGrad = true;
    this.nodes.push({ output: output.storage, backward });
  }

  needsGrad(t: Tensor): boolean { return t.storage.needsGrad; }

  /** Where the gradient of `t` goes, and whether it must be added to what is there (1) or overwrites (0). */
  gradOf(t: Tensor): Grad {
    if (t.storage.buffer !== null) {
      const { grad, ...view } = t;
      invariant(grad, `no gradient memory for ${t.storage.label}`);
      return { tensor: { ...view, storage: grad.storage }, accumulate: 1 };
    }
    const start = t.offset % Math.max(t.ld, 1);
    const end = start + rowLength(t.shape);
    let gradient = this.gradients.get(t.storage);
    if (!gradient) {
      gradient = { storage: this.temp([t.storage.bytes / 4], 'f32', `d ${t.storage.label}`).storage, written: [] };
      this.gradients.set(t.storage, gradient);
      this.holders.set(gradient.storage, 1);
    }
    const overlaps = gradient.written.some(([s, e]) => s < end && start < e);
    if (overlaps && this.holders.get(gradient.storage)! > 1) this.unshare(t.storage, gradient);
    if (!overlaps) gradient.written.push([start, end]);
    return { tensor: { ...t, storage: this.gradients.get(t.storage)!.storage }, accumulate: overlaps ? 1 : 0 };
  }

  /** The gradient that has arrived at `t`, complete once its node runs. */
  gradArrived(t: Tensor): Tensor {
    const gradient = this.gradients.get(t.storage);
    invariant(gradient, `no gradient arrived at ${t.storage.label}`);
    return { ...t, storage: gradient.storage };
  }

  /** Declares `gradient` (complete) to be the gradient of `t`, without copying when nothing was there before. */
  shareGrad(t: Tensor, gradient: Tensor): void {
    if (!this.needsGrad(t)) return;
    if (t.storage.buffer === null && !this.gradients.has(t.storage)) {
      this.gradients.set(t.storage, { storage: gradient.storage, written: [[0, t.ld]] });
      this.holders.set(gradient.storage, (this.holders.get(gradient.storage) ?? 0) + 1);
      return;
    }
    const { tensor, accumulate } = this.gradOf(t);
    this.emit('axpby', [gradient, tensor], [sizeOf(t.shape), 1, accumulate]);
  }

  private unshare(owner: Storage, gradient: Gradient): void {
    const fresh = this.temp([owner.bytes / 4], 'f32', `d ${owner.label}`);
    this.emit('axpby', [{ ...fresh, storage: gradient.storage }, fresh], [owner.bytes / 4, 1, 0]);
    this.release(gradient.storage);
    gradient.storage = fresh.storage;
    this.holders.set(fresh.storage, 1);
  }

  private release(storage: Storage): void { this.holders.set(storage, this.holders.get(storage)! - 1); }

  /** The gradient that has arrived at `t`, for an op that turns it in place. */
  gradInPlace(t: Tensor): Tensor {
    const gradient = this.gradients.get(t.storage);
    invariant(gradient, `no gradient arrived at ${t.storage.label}`);
    if (this.holders.get(gradient.storage)! > 1) this.unshare(t.storage, gradient);
    return { ...t, storage: gradient.storage };
  }

  /** True if some later op has already left a gradient for `t`. */
  hasGrad(t: Tensor): boolean { return this.gradients.has(t.storage); }

  /** Emits all gradient commands. The loss ops seeded the first gradients themselves (they know their coefficients). */
  backward(): void {
    const first = new Map<Storage, () => void>(); // ops in place share a storage: its gradient ends with the first of them
    for (const { output, backward } of this.nodes) if (!first.has(output)) first.set(output, backward);
    for (const { output, backward } of this.nodes.reverse()) {
      const gradient = this.gradients.get(output);
      if (!gradient) continue; // nothing downstream asked
      backward();
      if (first.get(output) !== backward) continue;
      this.release(gradient.storage);
      this.gradients.delete(output);
    }
    this.nodes.length = 0;
  }

  /** Plans the memory and returns the program. The arena grows if it must. */
  finish(arena: Arena): Program {
    const arenaBytes = planStorage(this.commands, this.outputs, new Set(this.uploads.map((u) => u.tensor.storage)));
    arena.fit(arenaBytes);
    return { commands: this.commands, uploads: this.uploads, arena, arenaBytes, flops: countFlops(this.commands, !this.training) };
  }
}
