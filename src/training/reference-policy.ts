// The policy that a stage began with, to measure how far training has moved away from it: k3 = e^d − 1 − d ≥ 0 with
// d = log π_ref − log π (Schulman, "Approximating KL divergence", 2020; DeepSeekMath arXiv 2402.03300 eq. 4).
// Its weights lie in host memory. To score, they change places with the model's, piece by piece, and back: no second
// model, no second set of kernels, and with adapters only the adapters.

import { invariant } from '../errors.ts';
import { type Arena, execute, read } from '../engine/program.ts';
import { Tape } from '../engine/tape.ts';
import { type Batch, recordLoss } from '../models/loss.ts';
import type { Model } from '../models/model.ts';

/** Floats that change places at a time. */
const piece = 2 ** 18;

/** Divergence of a token from what the reference thought of it. */
export const k3 = (d: number): number => Math.expm1(d) - d;

export class ReferencePolicy {
  private readonly model: Model;
  private readonly arena: Arena;
  private kept: Float32Array | null = null;

  constructor(model: Model, arena: Arena) {
    this.model = model;
    this.arena = arena;
  }

  private get trained(): Model['parameters'] { return this.model.lora?.parameters ?? this.model.parameters; }

  /** Of host memory. */
  get bytes(): number { return this.trained.weights.bytes + piece * 4; }

  /** Null before the first scoring: what is only planned holds nothing. */
  get weights(): Float32Array | null { return this.kept; }

  /** Goes on with these. */
  keep(weights: Float32Array): void {
    invariant(weights.length * 4 === this.trained.weights.bytes, 'the kept policy has the size of the model');
    this.kept = weights;
  }

  /** Log-probabilities of the targets of each batch, by the arithmetic of training, and the FLOP it took. The first call keeps the weights as they are. */
  async score(batches: readonly Batch[]): Promise<{ logp: Float32Array[]; flops: number }> {
    if (!this.kept) {
      this.kept = new Float32Array(this.trained.weights.bytes / 4);
      this.model.backend.download(this.trained.weights, 0, this.kept);
    }
    const logp: Float32Array[] = [];
    let flops = 0;
    this.exchange();
    try {
      for (const batch of batches) {
        const tape = new Tape({ training: false }), recorded = recordLoss(tape, this.model, batch), program = tape.finish(this.arena);
        await execute(program);
        logp.push(read(program, recorded.logp));
        flops += program.flops.sampling;
      }
    } finally {
      this.exchange();
    }
    return { logp, flops };
  }

  private exchange(): void {
    const { backend } = this.model, buffer = this.trained.weights, all = this.kept!, held = new Float32Array(Math.min(piece, all.length));
    for (let from = 0; from < all.length; from += piece) {
      const ours = all.subarray(from, from + piece), theirs = held.subarray(0, ours.length);
      backend.download(buffer, from * 4, theirs);
      backend.upload(buffer, from * 4, ours);
      ours.set(theirs);
    }
  }
}
