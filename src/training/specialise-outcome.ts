// What a specialised model gained and what it forgot, read from the files of its finished run.

import { z } from 'zod';
import { TiefsucheError } from '../errors.ts';
import { readMetrics } from '../runs/run-folder-metrics.ts';
import type { RunFolder } from '../runs/run-folder.ts';
import type { Metric, Plan } from './specialise.ts';
import type { Summary } from './summary.ts';

export interface Outcome {
  readonly before: number;
  readonly after: number;
  readonly metric: Metric;
  /** The specialised model is the better one; of a share of right answers, by more than chance: what it was lies below the 95 % interval; of bits a byte, by a hundredth at least. */
  readonly better: boolean;
  readonly n: number;
  readonly interval: readonly [number, number] | null;
  /** Loss on general instructions, nats a token: a rise is what was forgotten. Null where the vocabulary cannot read them. */
  readonly general: { readonly before: number; readonly after: number } | null;
  /** What to change, where it is not better. */
  readonly advice: readonly string[];
}

/** Share of the bits a byte that must be saved to count as better. */
const leastGain = 0.01;

const lossesOf = z.object({ at_start: z.number(), at_end: z.number(), trained: z.number() });

export function outcomeOf(run: RunFolder, summary: Summary, { metric, tested, scored }: Pick<Plan, 'metric' | 'tested' | 'scored'>): Outcome {
  const rows = readMetrics(run.metrics), first = rows[0], last = rows.at(-1);
  const losses = (name: string): z.output<typeof lossesOf> => {
    const read = lossesOf.safeParse({ at_start: first?.[`${name}_at_start`], at_end: last?.[name], trained: last?.['loss'] });
    if (!read.success) throw new TiefsucheError('CHECKPOINT', `the metrics of ${run.name} lack ${name}`, { hint: 'The run was not made by `tiefsuche specialise`.' });
    return read.data;
  };
  const own = losses('heldout_loss'), general = first?.['heldout_loss_general_at_start'] === undefined ? null : losses('heldout_loss_general'), family = Object.values(summary.families ?? {})[0];
  const bits = (nats: number): number => (nats * scored.targets) / (Math.LN2 * scored.bytes);
  const [before, after] = metric === 'bits_per_byte' ? [bits(own.at_start), bits(own.at_end)] : [family?.before ?? 0, family?.after ?? 0];
  const better = metric === 'bits_per_byte' ? after < (1 - leastGain) * before : before < (family?.interval[0] ?? 0);
  const advice = better ? [] : [
    ...(metric !== 'bits_per_byte' && after > before ? [`it may be better: with ${tested} test rows this much can be chance; more of them would tell`] : []),
    own.at_end > own.at_start ? 'the loss on the test rose: fewer epochs (--epochs 1) or a lower learning rate (--lr 3e-4)'
      : own.trained < 0.5 * own.at_end ? 'training rows are known by heart, test rows are not: more and more varied rows, or fewer epochs'
      : 'the loss on the test still falls: more epochs (--epochs 6)',
    ...(rows.length < 50 ? ['few steps were trained: more rows help most'] : []),
    'look at the answers in comparison.md of the run: is what counts as right what you want?',
  ];
  return { before, after, metric, better, n: tested, interval: metric === 'bits_per_byte' ? null : family?.interval ?? null, general: general && { before: general.at_start, after: general.at_end }, advice };
}
