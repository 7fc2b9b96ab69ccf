// From token sequences to batches: packed without padding, split into micro-batches by a token budget.

import type { Batch } from '../models/loss.ts';

export interface Example {
  readonly ids: Int32Array;
  /** First token that is a target. */
  readonly from: number;
  /** Targets in [from, to) only; the end of the sequence by default. */
  readonly coefficients?: Float32Array;
  readonly logp?: Float32Array;
  readonly support?: readonly Int32Array[] | null;
}

export interface PackOptions {
  /** Coefficient of each target, unless the example has its own. */
  readonly coefficient: number;
  /** Most tokens of a micro-batch; a longer sequence stands alone. */
  readonly budget: number;
  readonly temperature?: number;
  readonly clip?: { readonly low: number; readonly high: number };
  readonly mtpWeight?: number;
}

/** Targets of an example: token i is predicted by row i − 1. */
export const targetCount = (e: Example): number => e.ids.length - e.from;

/** Packs the examples, in order, into micro-batches. */
export function packBatches(examples: readonly Example[], options: PackOptions): Batch[] {
  const groups: Example[][] = [];
  let tokens = 0;
  for (const example of examples) {
    const length = example.ids.length - 1; // the last token predicts nothing
    if (groups.length === 0 || tokens + length > options.budget) { groups.push([]); tokens = 0; }
    groups[groups.length - 1]!.push(example);
    tokens += length;
  }
  return groups.map((group) => pack(group, options));
}

function pack(examples: readonly Example[], options: PackOptions): Batch {
  const total = examples.reduce((n, e) => n + e.ids.length - 1, 0), targets = examples.reduce((n, e) => n + targetCount(e), 0);
  const ids = new Int32Array(total), rows = new Int32Array(targets), targetIds = new Int32Array(targets), coefficients = new Float32Array(targets);
  const policy = examples.some((e) => e.logp), cut = examples.some((e) => e.support?.some((s) => s.length > 0));
  const oldLogp = new Float32Array(targets), starts = new Int32Array(targets + 1), support: number[] = [];
  let row = 0, at = 0;
  for (const e of examples) {
    ids.set(e.ids.subarray(0, -1), row);
    for (let i = e.from; i < e.ids.length; i++, at++) {
      rows[at] = row + i - 1;
      targetIds[at] = e.ids[i]!;
      coefficients[at] = e.coefficients ? e.coefficients[i - e.from]! : options.coefficient;
      if (e.logp) oldLogp[at] = e.logp[i - e.from]!;
      if (e.support) support.push(...e.support[i - e.from]!);
      starts[at + 1] = support.length;
    }
    row += e.ids.length - 1;
  }
  return {
    ids, lengths: examples.map((e) => e.ids.length - 1), rows, targets: targetIds, coefficients,
    ...(options.temperature !== undefined && { temperature: options.temperature }), ...(options.clip && { clip: options.clip }),
    ...(policy && { oldLogp }), ...(cut && { support: { starts, ids: Int32Array.from(support) } }), ...(options.mtpWeight && { mtpWeight: options.mtpWeight }),
  };
}
