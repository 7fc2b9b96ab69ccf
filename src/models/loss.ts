// From a batch on the host to the recorded loss. A batch is documents packed one after another without padding; only rows
// with a target reach the head. The coefficient of a row carries the normaliser, e.g. 1 / (number of targets).

import { crossEntropy } from '../engine/ops/cross-entropy.ts';
import { documents } from '../engine/ops/attention.ts';
import { gatherRows } from '../engine/ops/rows.ts';
import type { Tape } from '../engine/tape.ts';
import type { Tensor } from '../engine/tensor.ts';
import type { Model } from './model.ts';

export interface Batch {
  /** All tokens, documents one after another. */
  readonly ids: Int32Array;
  readonly lengths: readonly number[];
  /** Rows that have a target, ascending, what it is, and its coefficient. */
  readonly rows: Int32Array;
  readonly targets: Int32Array;
  readonly coefficients: Float32Array;
  readonly temperature?: number;
  /** For the policy loss: log-probabilities when sampled. */
  readonly oldLogp?: Float32Array;
  readonly clip?: { readonly low: number; readonly high: number };
  /** Log-probabilities by a reference policy, and the weight of the divergence from it (with the normaliser, like the coefficients). */
  readonly reference?: { readonly logp: Float32Array; readonly weight: number };
  /** Kept tokens of each row: ids[starts[i] … starts[i+1]); empty means all. */
  readonly support?: { readonly starts: Int32Array; readonly ids: Int32Array };
  /** Weight of the multi-token prediction loss, if the model has modules for it. */
  readonly mtpWeight?: number;
}

export interface RecordedLoss {
  /** Per row with a target. */
  readonly logp: Tensor;
  readonly entropy: Tensor;
  readonly loss: Tensor;
  /** Per-row losses of the MTP modules, weighted. */
  readonly ahead: readonly Tensor[];
  /** Router balance losses, weighted. */
  readonly auxiliary: readonly Tensor[];
}

/** Position of every token in its document. */
export function positionsOf(lengths: readonly number[]): Int32Array {
  const positions = new Int32Array(lengths.reduce((a, b) => a + b, 0));
  let row = 0;
  for (const n of lengths) for (let p = 0; p < n; p++) positions[row++] = p;
  return positions;
}

/** Records forward pass and loss; on a training tape the gradients of the loss are seeded (call tape.backward next). */
export function recordLoss(tape: Tape, model: Model, batch: Batch): RecordedLoss {
  const docs = documents(tape, batch.lengths);
  const positions = tape.input(positionsOf(batch.lengths), undefined, 'positions');
  const mtp = batch.mtpWeight ? (model.dims.mtp ?? 0) : 0;
  const ahead = Array.from({ length: mtp }, (_, k) => shiftedTargets(batch, k + 1));
  const input = { ids: tape.input(batch.ids, undefined, 'ids'), positions, documents: docs };
  const { hidden, ahead: aheadHidden, auxiliary } = model.forward(tape, input, { nextIds: ahead.map((a) => tape.input(a.nextIds, undefined, 'next ids')) });
  const all = batch.rows.length === batch.ids.length;
  const h = all ? hidden : gatherRows(tape, hidden, tape.input(batch.rows, undefined, 'rows'));
  const { logp, entropy, loss } = crossEntropy(tape, h, model.head, tape.input(batch.targets, undefined, 'targets'), tape.input(batch.coefficients, undefined, 'coefficients'), {
    temperature: batch.temperature ?? 1,
    oldLogp: batch.oldLogp && tape.input(batch.oldLogp, undefined, 'old logp'),
    ...(batch.clip && { clip: batch.clip }),
    reference: batch.reference && { logp: tape.input(batch.reference.logp, undefined, 'reference logp'), weight: batch.reference.weight },
    support: batch.support && { starts: tape.input(batch.support.starts, undefined, 'support starts'), ids: tape.input(batch.support.ids, undefined, 'support ids') },
  });
  const aheadLosses = aheadHidden.map((ah, k) => {
    const { rows, targets, coefficients } = ahead[k]!;
    const weighted = coefficients.map((c) => (c * batch.mtpWeight!) / mtp);
    return tape.output(crossEntropy(tape, gatherRows(tape, ah, tape.input(rows)), model.head, tape.input(targets), tape.input(weighted)).loss);
  });
  for (const t of [logp, entropy, loss]) tape.output(t);
  return { logp, entropy, loss, ahead: aheadLosses, auxiliary };
}

/** Module k predicts token i + k + 1: its inputs (token i + k) and the rows whose target k places later lies in the same document. */
function shiftedTargets(batch: Batch, k: number): { nextIds: Int32Array; rows: Int32Array; targets: Int32Array; coefficients: Float32Array } {
  const nextIds = new Int32Array(batch.ids.length), end = new Int32Array(batch.ids.length);
  let start = 0;
  for (const n of batch.lengths) {
    for (let i = start; i < start + n; i++) { end[i] = start + n; nextIds[i] = i + k < start + n ? batch.ids[i + k]! : 0; }
    start += n;
  }
  const targetAt = new Map<number, number>();
  batch.rows.forEach((row, i) => targetAt.set(row, i));
  const rows: number[] = [], targets: number[] = [], coefficients: number[] = [];
  batch.rows.forEach((row) => {
    const later = targetAt.get(row + k); // the row whose ordinary target is our target
    if (later === undefined || row + k >= end[row]!) return;
    rows.push(row);
    targets.push(batch.targets[later]!);
    coefficients.push(batch.coefficients[later]!);
  });
  return { nextIds, rows: Int32Array.from(rows), targets: Int32Array.from(targets), coefficients: Float32Array.from(coefficients) };
}
