// From token sequences to batches: packed without padding, split into micro-batches by a token budget.

import { TiefsucheError } from '../errors.ts';
import type { Batch } from '../models/loss.ts';

export interface Example {
  readonly ids: Int32Array;
  /** First token that is a target. */
  readonly from: number;
  /** Half-open ranges of the targets, where they are not all tokens from `from` on. */
  readonly spans?: readonly (readonly [number, number])[];
  readonly coefficients?: Float32Array;
  readonly logp?: Float32Array;
  readonly support?: readonly Int32Array[] | null;
}

/** How large a micro-batch may be; a sequence with more targets or support by itself stands alone. Memory is planned for these. */
export interface Limits {
  readonly tokens: number;
  /** Rows with a target. */
  readonly targets?: number;
  /** Ids in the supports of all rows. */
  readonly support?: number;
}

export interface PackOptions {
  /** Coefficient of each target, unless the example has its own. */
  readonly coefficient: number;
  readonly limits: Limits;
  readonly temperature?: number;
  readonly clip?: { readonly low: number; readonly high: number };
  readonly mtpWeight?: number;
}

/** Targets of an example: token i is predicted by row i − 1. */
export const targetCount = (e: Example): number => spansOf(e).reduce((n, [from, to]) => n + to - from, 0);

/** Half-open ranges of the tokens that are targets. */
export const spansOf = (e: Example): readonly (readonly [number, number])[] => e.spans ?? [[e.from, e.ids.length]];

/** Packs the examples, in order, into micro-batches. */
export function packBatches(examples: readonly Example[], options: PackOptions): Batch[] {
  const long = examples.find((e) => e.ids.length - 1 > options.limits.tokens);
  if (long) throw new TiefsucheError('INPUT', `an example of ${long.ids.length} tokens came, and memory was planned for ${options.limits.tokens} in one pass`, { hint: 'Raise micro_tokens of the stage, or leave such examples out.' });
  return groupsOf(examples, options.limits).map((group) => pack(group, options));
}

const supportSize = (e: Example): number => e.support?.reduce((n, s) => n + s.length, 0) ?? 0;

function groupsOf(examples: readonly Example[], { tokens, targets = Infinity, support = Infinity }: Limits): Example[][] {
  const groups: Example[][] = [];
  let sum = { tokens: 0, targets: 0, support: 0 };
  for (const e of examples) {
    const next = { tokens: sum.tokens + e.ids.length - 1, targets: sum.targets + targetCount(e), support: sum.support + supportSize(e) }; // the last token predicts nothing
    const fits = next.tokens <= tokens && next.targets <= targets && next.support <= support;
    if (groups.length > 0 && fits) sum = next;
    else {
      groups.push([]);
      sum = { tokens: e.ids.length - 1, targets: targetCount(e), support: supportSize(e) };
    }
    groups[groups.length - 1]!.push(e);
  }
  return groups;
}

/** Limits close above what a sample of steps needs, so that memory is planned for what comes and not for what might. */
export function limitsFor(steps: readonly (readonly Example[])[], budget: number): Limits {
  const packed = steps.flatMap((examples) => groupsOf(examples, { tokens: budget }));
  const most = (of: (e: Example) => number): number => Math.max(...packed.map((group) => group.reduce((n, e) => n + of(e), 0)));
  const single = (of: (e: Example) => number): number => 2 * Math.max(...packed.flat().map(of));
  const limit = (of: (e: Example) => number): number => Math.ceil(Math.max(1.08 * most(of), single(of)) / 16) * 16;
  const tokens = limit((e) => e.ids.length - 1);
  return { tokens, targets: Math.min(tokens - 1, limit(targetCount)) };
}

/** A batch of these sizes without content, to plan memory with. When not every row has a target, those that have are copied. */
export function emptyBatch({ tokens, targets = tokens - 1, support }: Limits, documents: number, options: Pick<Batch, 'mtpWeight' | 'oldLogp' | 'reference'> = {}): Batch {
  const length = Math.ceil(tokens / documents), rows = Int32Array.from({ length: targets }, (_, i) => tokens - targets + i);
  return {
    ids: new Int32Array(tokens), lengths: Array.from({ length: Math.ceil(tokens / length) }, (_, i) => Math.min(length, tokens - i * length)),
    rows, targets: new Int32Array(targets), coefficients: new Float32Array(targets), ...options,
    ...(support !== undefined && { support: { starts: new Int32Array(targets + 1), ids: new Int32Array(support) } }),
  };
}

function pack(examples: readonly Example[], options: PackOptions): Batch {
  const total = examples.reduce((n, e) => n + e.ids.length - 1, 0), targets = examples.reduce((n, e) => n + targetCount(e), 0);
  const ids = new Int32Array(total), rows = new Int32Array(targets), targetIds = new Int32Array(targets), coefficients = new Float32Array(targets);
  const policy = examples.some((e) => e.logp), cut = examples.some((e) => e.support?.some((s) => s.length > 0));
  const oldLogp = new Float32Array(targets), starts = new Int32Array(targets + 1), support: number[] = [];
  let row = 0, at = 0;
  for (const e of examples) {
    ids.set(e.ids.subarray(0, -1), row);
    for (const [from, to] of spansOf(e)) for (let i = from; i < to; i++, at++) {
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
