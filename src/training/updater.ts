// One optimiser step: micro-batches forward and backward, gradients adding up, then the update. The gradients are
// checked before they touch the weights: a loss or norm that is not a number stops the run with the weights still good.

import { TiefsucheError } from '../errors.ts';
import { faultPoint } from '../fault-point.ts';
import { Optimizer, type OptimizerSettings, type Trainable } from '../engine/optimizers.ts';
import type { Flops } from '../engine/kernel.ts';
import { type Arena, type Program, execute, place, read } from '../engine/program.ts';
import { Tape } from '../engine/tape.ts';
import { type Tensor, rowLength, sizeOf } from '../engine/tensor.ts';
import { type Batch, type RecordedLoss, recordLoss } from '../models/loss.ts';
import type { Model } from '../models/model.ts';
import type { ParameterKind } from '../models/parameters.ts';

export interface UpdateResult {
  /** Sum over rows of coefficient-weighted losses. */
  readonly loss: number;
  /** Parts of it that are not the main loss. */
  readonly ahead: number;
  readonly balance: number;
  readonly gradNorm: number;
  /** Of each row with a target, over all micro-batches in order. */
  readonly logp: Float32Array;
  readonly entropy: Float32Array;
  readonly flops: Flops;
}

/** Weights that train: the adapters if there are any, else the model's own. */
export function trainables(model: Model): { weights: Trainable[]; parameters: Model['parameters'] } {
  const parameters = model.lora?.parameters ?? model.parameters;
  const isTrained = (kind: ParameterKind): kind is Trainable['kind'] => kind !== 'buffer';
  const weights = parameters.specs.flatMap(({ name, kind }) => (isTrained(kind) ? [{ name, kind, tensor: parameters.get(name) }] : []));
  return { weights, parameters };
}

/** A micro-batch's way there and back, recorded. */
interface Pass { readonly batch: Batch; readonly isFirst: boolean; readonly isLast: boolean; readonly program: Program; readonly recorded: RecordedLoss }

/** Does `work` while something runs, and waits for that whatever becomes of the work. */
async function meanwhile(running: Promise<void>, work: () => void): Promise<void> {
  try { work(); } finally { await running; }
}

export class Updater {
  readonly optimizer: Optimizer;
  private readonly model: Model;
  private readonly arena: Arena;
  private readonly weights: readonly Tensor[];
  private readonly biasRate: number;
  /** What comes next, recorded while the pass before it ran. */
  private upcoming: Pass | null = null;

  /** `biasRate`: γ of the router biases (DeepSeek-V3: 0.001). */
  constructor(model: Model, arena: Arena, settings: OptimizerSettings, biasRate = 0) {
    this.model = model;
    this.arena = arena;
    this.biasRate = model.lora ? 0 : biasRate; // under adapters the base is frozen, its router too
    const { weights, parameters } = trainables(model);
    this.weights = weights.map(({ tensor }) => tensor);
    this.optimizer = new Optimizer(model.backend, weights, parameters.grads!, settings);
  }

  /**
   * `step` counts from 1 within this optimiser's life; `factor` comes from the schedule. While a pass runs, what follows is
   * recorded: the next micro-batch, or the update and the first pass of `next`, the batches of the next call.
   */
  async update(batches: readonly Batch[], step: number, factor: number, next?: () => readonly Batch[]): Promise<UpdateResult> {
    const flops: Flops = { model: 0, recompute: 0, sampling: 0 };
    const logp: Float32Array[] = [], entropy: Float32Array[] = [];
    let loss = 0, ahead = 0, balance = 0;
    let apply: Program | undefined;
    for (const [i, batch] of batches.entries()) {
      const isFirst = i === 0, isLast = i === batches.length - 1, known = this.upcoming;
      const { program, recorded } = known?.batch === batch && known.isFirst === isFirst && known.isLast === isLast ? known : this.recordPass(batch, isFirst, isLast);
      await meanwhile(execute(program), () => {
        if (isLast) apply = this.recordApply(step, factor).finish(this.arena);
        const [following, ...others] = isLast ? next?.() ?? [] : batches.slice(i + 1);
        this.upcoming = following ? this.recordPass(following, isLast, others.length === 0) : null;
      });
      const part = this.collect(program, recorded);
      if (!Number.isFinite(part.loss + part.ahead + part.balance)) await this.explain(batches, `the loss is ${part.loss}`);
      loss += part.loss; ahead += part.ahead; balance += part.balance;
      logp.push(part.logp); entropy.push(part.entropy);
      flops.model += program.flops.model; flops.recompute += program.flops.recompute;
    }
    const norm = new Float32Array(2);
    this.model.backend.download(this.optimizer.norm.storage.buffer!, this.optimizer.norm.storage.offset, norm);
    const gradNorm = norm[1]!;
    if (!Number.isFinite(gradNorm)) await this.explain(batches, `the norm of the gradient is ${gradNorm}`);
    const applying = execute(apply!);
    faultPoint('update.running');
    await applying;
    return { loss, ahead, balance, gradNorm, logp: concatenate(logp), entropy: concatenate(entropy), flops };
  }

  private recordPass(batch: Batch, isFirst: boolean, isLast: boolean): Pass {
    const tape = new Tape({ training: true, recompute: this.model.recompute, fresh: isFirst }), recorded = recordLoss(tape, this.model, batch);
    tape.backward();
    tape.clearUnwritten(this.weights);
    if (isLast) this.optimizer.recordNorm(tape);
    return { batch, isFirst, isLast, program: tape.finish(this.arena), recorded };
  }

  /** The programs of an update with this micro-batch, recorded and not run: alone, or as the last of several, when it adds to gradients that take all their memory. */
  plan(batch: Batch, alone: boolean): { pass: Program; update: Program } {
    return { pass: this.recordPass(batch, alone, true).program, update: this.recordApply(1, 1).finish(this.arena) };
  }

  /** A forward pass alone, for the loss of held-out rows. */
  planScoring(batch: Batch): Program {
    const tape = new Tape({ training: false });
    recordLoss(tape, this.model, batch);
    return tape.finish(this.arena);
  }

  private collect(program: Program, recorded: RecordedLoss): { loss: number; ahead: number; balance: number; logp: Float32Array; entropy: Float32Array } {
    const sum = (values: Float32Array): number => values.reduce((a, b) => a + b, 0); // in row order, in double precision
    const total = (tensors: RecordedLoss['ahead']): number => tensors.reduce((s, t) => s + sum(read(program, t)), 0);
    return { loss: sum(read(program, recorded.loss)), ahead: total(recorded.ahead), balance: total(recorded.auxiliary), logp: read(program, recorded.logp), entropy: read(program, recorded.entropy) };
  }

  private recordApply(step: number, factor: number): Tape {
    const tape = new Tape({ training: true });
    this.optimizer.record(tape, step, factor);
    for (const [layer, counts] of this.model.expertCounts) { // at rate 0, too: the counts begin anew
      const bias = this.model.parameters.get(`model.layers.${layer}.mlp.gate.e_score_correction_bias`);
      tape.emit('moeBiasUpdate', [counts, bias], [sizeOf(counts.shape), this.biasRate]);
    }
    return tape;
  }

  /** Goes through the step once more, command by command, to name the first op that leaves something that is no number. */
  private async explain(batches: readonly Batch[], what: string): Promise<never> {
    const hint = 'The weights were left as they were, and the last checkpoint is kept. Lower the learning rate in recipe.yaml of the run, or look at the data of this step, and resume.';
    for (const [n, batch] of batches.entries()) {
      const { program } = this.recordPass(batch, n === 0, false);
      for (const [i, command] of program.commands.entries()) {
        await execute({ ...program, commands: [command], runs: [], sideBySide: [], uploads: i === 0 ? program.uploads : [], encoded: undefined });
        for (const t of command.tensors) {
          const bad = t && this.firstBad(program, t);
          if (bad !== null) throw new TiefsucheError('NUMERICS', `${what}: op ${command.kernel} (command ${i + 1} of ${program.commands.length}) has ${bad} in ${t!.storage.label}`, { hint });
        }
      }
    }
    throw new TiefsucheError('NUMERICS', what, { hint });
  }

  private firstBad(program: Program, t: Tensor): number | null {
    if (t.dtype !== 'f32') return null;
    const columns = rowLength(t.shape), count = sizeOf(t.shape) / Math.max(columns, 1);
    const values = new Float32Array(Math.max(0, (count - 1) * t.ld + columns));
    this.model.backend.download(...place(program, t), values);
    for (let row = 0; row < count; row++) for (let c = 0; c < columns; c++) if (!Number.isFinite(values[row * t.ld + c])) return values[row * t.ld + c]!;
    return null;
  }

  close(): void { this.optimizer.close(); }
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
  if (parts.length === 1) return parts[0]!;
  const all = new Float32Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) { all.set(part, at); at += part.length; }
  return all;
}
