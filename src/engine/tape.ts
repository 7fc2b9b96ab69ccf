// The tape records the commands of one step and how to go back. Forward: ops emit commands and push a closure. Backward:
// the closures run in reverse and emit the commands of the gradients. Nothing is computed while recording.
//
// Gradients of activations: the first writer stores, later writers accumulate (`gradOf` says which). `add` hands its
// gradient to both inputs without a copy (`shareGrad`); whoever then wants to accumulate into a shared one gets its own
// copy, unless the other reader is already done. Gradients of weights accumulate from pass to pass; a pass that begins
// them anew (`fresh`) stores where the first writer can, and clears the rest beforehand.
//
// Memory. What the way back needs is kept, with two exceptions. A fleeting value (a norm's or a gate's output) is made
// again by its op's way back, in the place of its gradient, and the products that need it wait until then. A segment keeps
// its input alone, and is recorded once more when the way back comes to it. Neither changes a bit of any gradient.
// Until a gradient of a weight is first stored, its memory may hold what the way back uses up before (storage-plan.ts).

import { invariant } from '../errors.ts';
import { kernels } from './ops/index.ts';
import { Arena, type Command, type Program, type Upload, countFlops } from './program.ts';
import { findRowRuns } from './row-runs.ts';
import { type Chain, commandsOf, findSideBySide } from './side-by-side.ts';
import { livesOf, loanOf, placeInOrder, placeTightly } from './storage-plan.ts';
import { type DType, type Shape, type Storage, type Tensor, plannedTensor, rowLength, sizeOf } from './tensor.ts';

interface Gradient { storage: Storage; written: [start: number, end: number][] }

interface Node { readonly output: Storage; readonly backward: () => void }

export interface TapeOptions {
  /** false records forward passes for sampling and evaluation: no backward, FLOP counted as sampling. */
  readonly training: boolean;
  /** Segments are computed again on the way back instead of kept. */
  readonly recompute?: boolean;
  /** Gradients of weights begin anew; what is in their memory is of no use. Else they are added to. */
  readonly fresh?: boolean;
}

export interface Grad { readonly tensor: Tensor; readonly accumulate: number }

export class Tape {
  private commands: Command[] = [];
  private readonly uploads: Upload[] = [];
  private readonly outputs = new Set<Storage>();
  private nodes: Node[] = [];
  private readonly gradients = new Map<Storage, Gradient>();
  private readonly holders = new Map<Storage, number>(); // gradient storage → how many tensors call it theirs
  private readonly awaited = new Map<Storage, ((value: Storage) => void)[]>(); // fleeting values, and who waits for them
  private chain: Chain | undefined;
  private segmentState: 'outside' | 'forward' | 'again' = 'outside';
  private readonly madeAgain = new Set<Storage>();
  private readonly recompute: boolean;
  private readonly fresh: boolean;
  private readonly cleared: Command[] = []; // gradients of weights that nobody stores, ahead of everything
  private readonly begun: Storage[] = []; // those that this pass has begun
  private readonly stored: Storage[] = []; // of these, those whose first writer stores
  readonly training: boolean;

  constructor({ training, recompute = false, fresh = false }: TapeOptions) {
    this.training = training;
    this.recompute = training && recompute;
    this.fresh = fresh;
  }

  /** Working memory that lives as long as commands use it. */
  temp(shape: Shape, dtype: DType = 'f32', label = 'temp'): Tensor {
    const tensor = plannedTensor(shape, dtype, label);
    if (this.segmentState === 'again') this.madeAgain.add(tensor.storage);
    return tensor;
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
    this.commands.push({ kernel, tensors: tensors.map((t) => t ?? null), attributes, ...(this.segmentState === 'again' && { again: true }), chain: this.chain });
  }

  /** Records chains of commands that are independent of each other (side-by-side.ts), the longest first. */
  sideBySide(chains: readonly (() => void)[]): void {
    const group = {};
    for (const record of chains) {
      this.chain = { group };
      record();
    }
    this.chain = undefined;
  }

  /** Registers the way back from `output`, if any of `inputs` wants a gradient. */
  node(output: Tensor, inputs: readonly (Tensor | null | undefined)[], backward: () => void): void {
    if (!this.training || !inputs.some((t) => t && this.needsGrad(t))) return;
    output.storage.needsGrad = true;
    if (this.segmentState === 'forward') return; // recorded once more on the way back
    this.nodes.push({ output: output.storage, backward });
    if (inputs.some((t) => t?.storage === output.storage)) this.awaited.delete(output.storage); // changed in place: its op could not make it again
  }

  /** A second recording of a segment: what counts or collects has done so the first time. */
  get isAgain(): boolean { return this.segmentState === 'again'; }

  needsGrad(t: Tensor): boolean { return t.storage.needsGrad; }

  /** Where the gradient of `t` goes, and whether it must be added to what is there (1) or overwrites (0). */
  gradOf(t: Tensor): Grad {
    if (t.storage.buffer !== null) {
      const { grad, ...view } = t;
      invariant(grad, `no gradient memory for ${t.storage.label}`);
      return { tensor: { ...view, storage: grad.storage }, accumulate: this.beginsAnew(grad.storage, sizeOf(t.shape) * 4 === grad.storage.bytes) ? 0 : 1 };
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

  /** The gradient of a weight for an op that can only add to it. */
  gradSum(t: Tensor): Tensor {
    this.clear(t);
    return this.gradOf(t).tensor;
  }

  /** Clears the gradients of those weights that nobody writes. To be called behind `backward`. */
  clearUnwritten(weights: readonly Tensor[]): void { for (const t of weights) this.clear(t); }

  private clear(t: Tensor): void {
    if (!t.grad || !this.begins(t.grad.storage)) return;
    this.cleared.push({ kernel: 'fill', tensors: [t.grad], attributes: [sizeOf(t.grad.shape), 0] });
    this.begun.push(t.grad.storage);
  }

  /** Whether the gradient of a weight is yet to begin. One that is a part of a begun one has begun with it. */
  private begins(gradient: Storage): boolean {
    if (!this.fresh) return false;
    const end = gradient.offset + gradient.bytes, over = this.begun.filter((s) => s.offset < end && gradient.offset < s.offset + s.bytes);
    invariant(over.length === 0 || over.some((s) => s.offset <= gradient.offset && end <= s.offset + s.bytes), `${gradient.label} has begun in part`);
    return over.length === 0;
  }

  /** Whether the op that writes it now is the first to do so, and writes all of it. */
  private beginsAnew(gradient: Storage, whole: boolean): boolean {
    if (!this.begins(gradient)) return false;
    invariant(whole, `${gradient.label} would begin in part`);
    this.begun.push(gradient);
    this.stored.push(gradient);
    return true;
  }

  /** The gradient that has arrived at `t`, complete once its node runs. */
  gradArrived(t: Tensor): Tensor {
    const gradient = this.gradients.get(t.storage);
    invariant(gradient, `no gradient arrived at ${t.storage.label}`);
    return { ...t, storage: gradient.storage };
  }

  /** The gradient of `t` in the place of `t` itself, where it can be: for an op that is the only reader of `t`, done with each element before its gradient comes. */
  gradOver(t: Tensor): Grad {
    if (t.storage.buffer !== null || this.gradients.has(t.storage) || this.outputs.has(t.storage) || rowLength(t.shape) !== t.ld) return this.gradOf(t);
    this.gradients.set(t.storage, { storage: t.storage, written: [[0, t.ld]] });
    this.holders.set(t.storage, 1);
    return { tensor: t, accumulate: 0 };
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

  private hold(storage: Storage): void { this.holders.set(storage, (this.holders.get(storage) ?? 0) + 1); }
  private release(storage: Storage): void { this.holders.set(storage, this.holders.get(storage)! - 1); }

  /** The way back of y's op will make `y` again (restored): nobody needs to keep it. To be called behind `node`. */
  fleeting(y: Tensor): void {
    if (this.needsGrad(y) && this.segmentState !== 'forward') this.awaited.set(y.storage, []);
  }

  /** Uses the value of `x` together with a gradient that has arrived: now, or when its op has made it again. */
  withValue(x: Tensor, gradient: Tensor, use: (x: Tensor) => void): void {
    const uses = this.awaited.get(x.storage);
    if (!uses) return use(x);
    this.hold(gradient.storage); // nobody may add to it until then
    uses.push((storage) => { use({ ...x, storage }); this.release(gradient.storage); });
  }

  isAwaited(y: Tensor): boolean { return (this.awaited.get(y.storage)?.length ?? 0) > 0; }

  /** Says that `y` is there again, in `place`. */
  restored(y: Tensor, place: Tensor): void {
    const uses = this.awaited.get(y.storage) ?? [];
    this.awaited.delete(y.storage);
    for (const use of uses) use(place.storage);
  }

  /** Records f(x). Where memory is short, only x is kept for the way back, which records f once more before it goes back through it. */
  segment(x: Tensor, f: (x: Tensor) => Tensor): Tensor {
    if (!this.recompute || this.segmentState !== 'outside') return f(x);
    this.segmentState = 'forward';
    const y = f(x);
    this.segmentState = 'outside';
    if (this.needsGrad(y)) this.nodes.push({ output: y.storage, backward: () => this.segmentBackward(x, y, f) });
    return y;
  }

  private segmentBackward(x: Tensor, y: Tensor, f: (x: Tensor) => Tensor): void {
    const start = this.commands.length, outside = this.nodes, gradient = this.gradients.get(y.storage)!;
    this.nodes = [];
    this.segmentState = 'again';
    const again = f(x);
    this.segmentState = 'outside';
    const end = this.commands.length;
    this.gradients.delete(y.storage); // handed over: with two owners it would have to be copied
    this.gradients.set(again.storage, gradient);
    this.goBack(this.nodes);
    this.nodes = outside;
    this.dropUnread(start, end);
  }

  /** Drops those of commands start … end that make what nobody reads: the end of a segment. A command writes what its kernel says, or else what it is the first to touch. */
  private dropUnread(start: number, end: number): void {
    const writer = new Map<Storage, number>(), read = new Set<Storage>(), kept: Command[] = [];
    for (let i = start; i < end; i++) for (const t of this.commands[i]!.tensors) if (t && this.madeAgain.has(t.storage) && !writer.has(t.storage)) writer.set(t.storage, i);
    for (let i = this.commands.length - 1; i >= start; i--) {
      const command = this.commands[i]!, { tensors } = command, rows = i < end ? kernels.get(command.kernel)?.byRows?.(command).rows : undefined;
      const made = rows ? rows.writes.map((w) => rows.command.tensors[w]) : tensors.filter((t) => t && i < end && writer.get(t.storage) === i);
      if (made.length > 0 && made.every((t) => t && this.madeAgain.has(t.storage) && !read.has(t.storage))) continue;
      kept.push(this.commands[i]!);
      for (const t of tensors) if (t) read.add(t.storage);
    }
    this.commands = [...this.commands.slice(0, start), ...kept.reverse()];
    this.madeAgain.clear();
  }

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
    this.goBack(this.nodes);
    this.nodes = [];
    invariant(![...this.awaited.values()].some((uses) => uses.length > 0), 'a fleeting value was awaited in vain');
  }

  private goBack(nodes: readonly Node[]): void {
    const first = new Map<Storage, () => void>(); // ops in place share a storage: its gradient ends with the first of them
    for (const { output, backward } of nodes) if (!first.has(output)) first.set(output, backward);
    for (const { output, backward } of [...nodes].reverse()) {
      const gradient = this.gradients.get(output);
      if (!gradient) continue; // nothing downstream asked
      backward();
      if (first.get(output) !== backward || this.gradients.get(output) !== gradient) continue;
      this.release(gradient.storage);
      this.gradients.delete(output);
    }
  }

  /** Plans the memory and returns the program. Another program of the arena may be running meanwhile. */
  finish(arena: Arena): Program {
    const { commands, runs } = findRowRuns([...this.cleared, ...this.commands]);
    const sideBySide = findSideBySide(commands);
    const jobs = [...runs.map(({ first, members }) => ({ first, count: members.length })), ...sideBySide.map((group) => ({ first: group.first, count: commandsOf(group) }))];
    const lives = livesOf(commands, jobs, this.outputs, new Set(this.uploads.map((u) => u.tensor.storage)));
    let arenaBytes = placeInOrder(lives);
    if (!arena.fits(arenaBytes)) arenaBytes = placeTightly(lives, arenaBytes, arena.tightPlans, loanOf(commands, this.stored));
    return { commands, runs, sideBySide, uploads: this.uploads, arena, arenaBytes, flops: countFlops(commands, !this.training) };
  }
}
