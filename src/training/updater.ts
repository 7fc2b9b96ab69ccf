// One optimiser step: micro-batches forward and backward, gradients adding up, then the update. The gradients are
// checked before they touch the weights: a loss or norm that is not a number stops the run with the weights still good.

import { TiefsucheError } from '../errors.ts';
import { faultPoint } from '../fault-point.ts';
import { Optimizer, type OptimizerSettings, type Trainable } from '../engine/optimizers.ts';
import type { Flops } from '../engine/kernel.ts';
import { type Arena, type Program, execute, place, read } from '../engine/program.ts';
import { Tape } from '../engine/tape.ts';
import { sizeOf } from '../engine/tensor.ts';
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

export class Updater {
  readonly optimizer: Optimizer;
  private readonly model: Model;
  private readonly arena: Arena;
  private readonly biasRate: number;

  /** `biasRate`: γ of the router biases (DeepSeek-V3: 0.001). */
  constructor(model: Model, arena: Arena, settings: OptimizerSettings, biasRate = 0) {
    this.model = model;
    this.arena = arena;
    this.biasRate = model.lora ? 0 : biasRate; // under adapters the base is frozen, its router too
    const { weights, parameters } = trainables(model);
    this.optimizer = new Optimizer(model.backend, weights, parameters.grads!, settings);
  }

  /** `step` counts from 1 within this optimiser's life; `factor` comes from the schedule. */
  async update(batches: readonly Batch[], step: number, factor: number): Promise<UpdateResult> {
    const flops: Flops = { model: 0, recompute: 0, sampling: 0 };
    const logp: Float32Array[] = [], entropy: Float32Array[] = [];
    let loss = 0, ahead = 0, balance = 0;
    for (const [i, batch] of batches.entries()) {
      const { program, recorded } = this.recordPass(batch, i === batches.length - 1);
      await execute(program);
      const part = this.collect(program, recorded);
      if (!Number.isFinite(part.loss + part.ahead + part.balance)) await this.explain(program, step, `the loss is ${part.loss}`);
      loss += part.loss; ahead += part.ahead; balance += part.balance;
      logp.push(part.logp); entropy.push(part.entropy);
      flops.model += program.flops.model; flops.recompute += program.flops.recompute;
    }
    const norm = new Float32Array(2);
    this.model.backend.download(this.optimizer.norm.storage.buffer!, this.optimizer.norm.storage.offset, norm);
    const gradNorm = norm[1]!;
    if (!Number.isFinite(gradNorm)) {
      throw new TiefsucheError('NUMERICS', `the gradient's norm is ${gradNorm} in step ${step}; the weights were left as they were`, { hint: 'Lower the learning rate and resume from the last checkpoint.' });
    }
    const applying = execute(this.recordApply(step, factor).finish(this.arena));
    faultPoint('update.running');
    await applying;
    return { loss, ahead, balance, gradNorm, logp: concatenate(logp), entropy: concatenate(entropy), flops };
  }

  private recordPass(batch: Batch, isLast: boolean): { program: Program; recorded: RecordedLoss } {
    const tape = new Tape({ training: true }), recorded = recordLoss(tape, this.model, batch);
    tape.backward();
    if (isLast) this.optimizer.recordNorm(tape);
    return { program: tape.finish(this.arena), recorded };
  }

  /** The programs of an update with this micro-batch, recorded and not run. */
  plan(batch: Batch): { pass: Program; update: Program } {
    return { pass: this.recordPass(batch, true).program, update: this.recordApply(1, 1).finish(this.arena) };
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

  /** Runs the program once more, command by command, to name the op that left the numbers. */
  private async explain(program: Program, step: number, what: string): Promise<never> {
    for (const [i, command] of program.commands.entries()) {
      const single: Program = { ...program, commands: [command], uploads: i === 0 ? program.uploads : [], encoded: undefined };
      await execute(single);
      for (const t of command.tensors) {
        if (!t || t.dtype !== 'f32') continue;
        const values = new Float32Array((t.storage.bytes / 4) - t.offset);
        this.model.backend.download(...place(program, t), values);
        const bad = values.findIndex((x) => !Number.isFinite(x));
        if (bad >= 0 && t === command.tensors.filter((x) => x).at(-1)) {
          throw new TiefsucheError('NUMERICS', `${what} in step ${step}: op ${command.kernel} (command ${i} of ${program.commands.length}) left ${values[bad]} in ${t.storage.label}`,
            { hint: 'The last checkpoint is kept. Lower the learning rate, or look at the data of this step, and resume.' });
        }
      }
    }
    throw new TiefsucheError('NUMERICS', `${what} in step ${step}`, { hint: 'The last checkpoint is kept. Lower the learning rate, or look at the data of this step, and resume.' });
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
