// Optimisers: which weight gets which update, and the commands for it.
// AdamW for everything; with `muon`, hidden matrices are updated by Muon instead: momentum, then orthogonalisation by
// five Newton–Schulz steps X ← aX + (bA + cA²)X, A = XXᵀ, (a, b, c) = (3.4445, −4.7750, 2.0315) (Jordan 2024).
// The step is scaled to AdamW's RMS: 0.2 · √max(rows, columns) (Moonlight, arXiv 2502.16982 eq. 4), or by Jordan's
// √max(1, rows/columns). Weight decay applies to matrices, embeddings and heads, not to norms and biases.

import type { Backend } from './backend.ts';
import { cosSin } from './elementary.ts';
import type { Tape } from './tape.ts';
import { type DeviceBuffer, type Tensor, aligned, alignment, fixedTensor, sizeOf } from './tensor.ts';

export interface AdamWSettings { readonly lr: number; readonly beta1: number; readonly beta2: number; readonly eps: number; readonly weightDecay: number }
export interface MuonSettings { readonly lr: number; readonly momentum: number; readonly weightDecay: number; readonly scale: 'moonlight' | 'jordan' }

export interface OptimizerSettings {
  readonly adamw: AdamWSettings;
  readonly muon?: MuonSettings | undefined;
  /** Gradients are scaled down to this norm; 0: never. */
  readonly clip: number;
}

/** A weight with gradient memory. `matrix` ones go to Muon where that is chosen; `vector` ones are not decayed. */
export interface Trainable { readonly name: string; readonly tensor: Tensor; readonly kind: 'matrix' | 'embedding' | 'head' | 'vector' }

interface Run { readonly method: 'adamw' | 'muon'; readonly names: string[]; readonly weight: Tensor; readonly decay: boolean; m: Tensor; v: Tensor | null; readonly shape: readonly number[] }

const newtonSchulz = { a: 3.4445, b: -4.775, c: 2.0315, steps: 5 };

export class Optimizer {
  private readonly backend: Backend;
  private readonly settings: OptimizerSettings;
  private readonly runs: Run[] = [];
  private readonly grads: DeviceBuffer;
  private readonly memory: DeviceBuffer;
  /** (2): clip factor and gradient norm of the last step. */
  readonly norm: Tensor;

  /** All weights must have their gradients in the one buffer `grads`, which holds nothing else. */
  constructor(backend: Backend, weights: readonly Trainable[], grads: DeviceBuffer, settings: OptimizerSettings) {
    this.backend = backend;
    this.settings = settings;
    this.grads = grads;
    const planned: { names: string[]; start: number; end: number; method: 'adamw' | 'muon'; decay: boolean; weight: Tensor }[] = [];
    for (const { name, tensor, kind } of weights) {
      const start = tensor.storage.offset, end = start + tensor.storage.bytes;
      const method = settings.muon && kind === 'matrix' ? 'muon' : 'adamw', decay = kind !== 'vector';
      const last = planned[planned.length - 1];
      const follows = last && last.weight.storage.buffer === tensor.storage.buffer && start >= last.end && start < last.end + alignment; // between them is at most padding
      if (method === 'adamw' && last?.method === 'adamw' && last.decay === decay && follows) {
        last.names.push(name);
        last.end = end;
      } else planned.push({ names: [name], start, end, method, decay, weight: tensor });
    }
    const sizes = planned.map((p) => p.end - p.start);
    this.memory = backend.allocate(alignment + sizes.reduce((sum, bytes, i) => sum + aligned(bytes) * (planned[i]!.method === 'muon' ? 1 : 2), 0));
    this.norm = fixedTensor(this.memory, 0, [2], 'f32', 'clip factor');
    let offset = alignment;
    const take = (bytes: number, label: string): Tensor => {
      const tensor = fixedTensor(this.memory, offset, [bytes / 4], 'f32', label);
      offset += aligned(bytes);
      return tensor;
    };
    planned.forEach((p, i) => {
      const grad = fixedTensor(grads, p.start, [sizes[i]! / 4], 'f32', `d ${p.names[0]}`);
      const weight = fixedTensor(p.weight.storage.buffer!, p.start, [sizes[i]! / 4], 'f32', p.names[0]!, grad);
      this.runs.push({ method: p.method, names: p.names, weight, decay: p.decay, shape: p.weight.shape,
        m: take(sizes[i]!, `m ${p.names[0]}`), v: p.method === 'adamw' ? take(sizes[i]!, `v ${p.names[0]}`) : null });
    });
  }

  /** Bytes of the optimiser's state. */
  get bytes(): number { return this.memory.bytes; }

  /** All gradients with what lies between them, which stays 0. */
  private allGrads(): Tensor { return fixedTensor(this.grads, 0, [this.grads.bytes / 4], 'f32', 'gradients'); }

  /** Records the norm of all gradients and the factor that clips them (into `norm`). */
  recordNorm(tape: Tape): void {
    const squared = tape.temp([1], 'f32', 'squared norm');
    tape.emit('squaredNorm', [this.allGrads(), squared], [this.grads.bytes / 4]);
    tape.emit('clipFactor', [squared, this.norm], [this.settings.clip]);
  }

  /** Records one update by the factor in `norm`. `step` counts from 1; `factor` scales all learning rates (schedule). */
  record(tape: Tape, step: number, factor: number): void {
    const small = (run: Run): boolean => sizeOf(run.weight.shape) <= (run.method === 'adamw' ? 2 ** 18 : 2 ** 16); // a thread's work; larger ones are all threads' work
    const bySize = [...this.runs].sort((a, b) => sizeOf(b.weight.shape) - sizeOf(a.weight.shape));
    for (const run of bySize) if (!small(run)) this.recordUpdate(tape, run, step, factor);
    tape.sideBySide(bySize.filter(small).map((run) => () => this.recordUpdate(tape, run, step, factor)));
  }

  private recordUpdate(tape: Tape, run: Run, step: number, factor: number): void {
    const n = sizeOf(run.weight.shape), grad = run.weight.grad!;
    if (run.method === 'muon') return this.recordMuon(tape, run, grad, n, this.settings.muon!, factor);
    const { lr, beta1, beta2, eps, weightDecay } = this.settings.adamw;
    tape.emit('adamW', [run.weight, grad, run.m, run.v, this.norm],
      [n, lr * factor, beta1, beta2, eps, run.decay ? weightDecay : 0, 1 / (1 - integerPower(beta1, step)), 1 / (1 - integerPower(beta2, step))]);
  }

  private recordMuon(tape: Tape, run: Run, grad: Tensor, n: number, settings: MuonSettings, factor: number): void {
    const [rows, cols] = run.shape as [number, number];
    const direction = tape.temp([rows, cols], 'f32', 'muon direction');
    tape.emit('muonMomentum', [grad, run.m, direction, this.norm], [n, settings.momentum]);
    const orthogonal = orthogonalise(tape, direction);
    const scale = settings.scale === 'moonlight' ? 0.2 * Math.sqrt(Math.max(rows, cols)) : Math.sqrt(Math.max(1, rows / cols));
    tape.emit('decayedStep', [run.weight, orthogonal], [n, settings.lr * factor * scale, settings.lr * factor * settings.weightDecay]);
  }

  /** The state as named tensors, for checkpoints. */
  state(): { name: string; tensor: Tensor }[] {
    return this.runs.flatMap(({ names, m, v }) => [{ name: `m.${names[0]}`, tensor: m }, ...(v ? [{ name: `v.${names[0]}`, tensor: v }] : [])]);
  }

  close(): void { this.backend.free(this.memory); }
}

/** Records Newton–Schulz on x (rows, cols), which is overwritten → an approximately orthogonal matrix of that shape. */
export function orthogonalise(tape: Tape, x: Tensor): Tensor {
  const [rows, cols] = x.shape as [number, number];
  const { a, b, c, steps } = newtonSchulz;
  const r = Math.min(rows, cols), wide = rows <= cols, n = rows * cols;
  const squared = tape.temp([1], 'f32', 'squared norm');
  tape.emit('squaredNorm', [x, squared], [n]);
  tape.emit('normalise', [x, squared], [n, 1e-7]);
  const gram = tape.temp([r, r], 'f32', 'gram'), gram2 = tape.temp([r, r], 'f32', 'gram²');
  let next = tape.temp([rows, cols], 'f32', 'muon');
  for (let i = 0; i < steps; i++) {
    tape.emit('matmul', [x, x, gram], [r, r, wide ? cols : rows, cols, cols, r, wide ? 0 : 1, wide ? 1 : 0, 0, 1]);
    tape.emit('matmul', [gram, gram, gram2], [r, r, r, r, r, r, 0, 0, 0, 1]);
    tape.emit('axpby', [gram, gram2], [r * r, b, c]);
    if (wide) tape.emit('matmul', [gram2, x, next], [r, cols, r, r, cols, cols, 0, 0, 0, 1]);
    else tape.emit('matmul', [x, gram2, next], [rows, r, r, cols, r, cols, 0, 0, 0, 1]);
    tape.emit('axpby', [x, next], [n, a, 1]);
    [x, next] = [next, x];
  }
  return x;
}

/** base^n by squaring: the same double on every machine. */
function integerPower(base: number, n: number): number {
  let result = 1;
  for (let b = base, k = n; k > 0; k = Math.floor(k / 2)) { if (k % 2 === 1) result *= b; b *= b; }
  return result;
}

export interface Schedule {
  readonly warmup: number;
  /** Share of the steps, at the end, over which the rate falls. */
  readonly decay: 'constant' | 'linear' | 'cosine';
  readonly decayShare: number;
  /** What is left of the rate at the end. */
  readonly floor: number;
}

/** Factor on the learning rate at step 0 … steps−1. */
export function scheduleFactor({ warmup, decay, decayShare, floor }: Schedule, step: number, steps: number): number {
  if (step < warmup) return (step + 1) / (warmup + 1);
  const start = steps - decayShare * steps;
  if (decay === 'constant' || step < start) return 1;
  const progress = Math.min(1, (step + 1 - start) / Math.max(1, steps - start));
  return decay === 'linear' ? 1 - (1 - floor) * progress : floor + ((1 - floor) * (1 + cosine(Math.PI * progress))) / 2;
}

const cosine = (x: number): number => cosSin(x)[0];
