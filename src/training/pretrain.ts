// Pre-training: next-token prediction over a stream of documents, cut into windows of a fixed length. Documents meet at
// end tokens inside a window; with `separate` they do not see each other. Windows are shuffled once an epoch, and cut at
// another place each time: cut alike, a small text is learned by heart in its windows and not where one enters it.

import { resolve } from 'node:path';
import { z } from 'zod';
import { TiefsucheError } from '../errors.ts';
import { RandomStream } from '../engine/random.ts';
import { scheduleFactor } from '../engine/optimizers.ts';
import { stopIds } from '../models/language-model.ts';
import type { Batch } from '../models/loss.ts';
import { emptyBatch } from './batches.ts';
import { readDocuments } from './documents.ts';
import { defineMethod } from './method.ts';
import { oneAhead } from './one-ahead.ts';
import { optimizerOf, optimizerSchema, scheduleOf, scheduleSchema } from './settings.ts';
import { Updater } from './updater.ts';

const schema = z.strictObject({
  data: z.strictObject({
    /** Plain text (documents separated by empty lines of three or more), or rows with a `text`. */
    file: z.string(),
    /** Documents in one window do not see each other. */
    separate: z.boolean().default(true),
  }),
  steps: z.int().min(1),
  /** Windows a step. */
  batch: z.int().min(1).default(8),
  window: z.int().min(2).default(256),
  micro_tokens: z.int().min(16).default(8192),
  mtp_weight: z.number().min(0).default(0),
  optimizer: optimizerSchema.prefault({}),
  schedule: scheduleSchema.prefault({ warmup: 20, decay: 'linear', decay_share: 0.4 }),
});

export const pretrain = defineMethod({
  name: 'pretrain',
  schema,
  async start({ language, arena, seed, folder }, settings) {
    const updater = new Updater(language.model, arena, optimizerOf(settings.optimizer), settings.optimizer.router_bias_rate);
    const stream = await tokenStream();
    if (stream.length <= settings.window) throw new TiefsucheError('INPUT', `${settings.data.file} has ${stream.length} tokens, and a window of ${settings.window} needs one more than it is long`, { hint: 'Lower `window`, or give more text.' });
    const windows = Math.floor((stream.length - 1) / settings.window), last = stream.length - 1 - settings.window;
    const schedule = scheduleOf(settings.schedule), stop = stopIds(language)[0];
    const perPass = Math.max(1, Math.floor(settings.micro_tokens / settings.window)), largest = Math.min(perPass, settings.batch) * settings.window;

    async function tokenStream(): Promise<Int32Array> {
      const encoded = await language.tokenizer.encodeBatch(await readDocuments(resolve(folder, settings.data.file))), end = stopIds(language)[0];
      return Int32Array.from(encoded.flatMap((ids) => [...ids, ...(end === undefined ? [] : [end])]));
    }

    /** Where window number `index` of all epochs begins; one that would reach over the end stands at the end. */
    function beginOf(index: number): number {
      const epoch = Math.floor(index / windows), shift = epoch === 0 ? 0 : new RandomStream(seed, 2 ** 44 + epoch).integer(0, settings.window - 1);
      return Math.min(last, shift + settings.window * permuted(index % windows, windows, seed, epoch));
    }

    function batchOf(begins: readonly number[]): Batch {
      const n = settings.window, ids = new Int32Array(n * begins.length), targets = new Int32Array(ids.length), lengths: number[] = [];
      begins.forEach((at, i) => {
        ids.set(stream.subarray(at, at + n), i * n);
        targets.set(stream.subarray(at + 1, at + n + 1), i * n);
        let from = 0;
        if (settings.data.separate) for (let p = 0; p < n - 1; p++) if (ids[i * n + p] === stop) { lengths.push(p + 1 - from); from = p + 1; }
        lengths.push(n - from);
      });
      return { ids, targets, lengths, rows: Int32Array.from(ids.keys()), coefficients: new Float32Array(ids.length).fill(1 / (n * settings.batch)), mtpWeight: settings.mtp_weight };
    }

    function batchesOf(step: number): Batch[] {
      const chosen = Array.from({ length: settings.batch }, (_, i) => beginOf(step * settings.batch + i));
      const batches: Batch[] = [];
      for (let i = 0; i < chosen.length; i += perPass) batches.push(batchOf(chosen.slice(i, i + perPass)));
      return batches;
    }

    const batches = oneAhead(settings.steps, batchesOf);
    return {
      steps: settings.steps,
      updater,
      async step(step) {
        const factor = scheduleFactor(schedule, step, settings.steps);
        const result = await updater.update(batches.at(step), step + 1, factor, batches.after(step));
        const metrics: Record<string, number> = { learning_rate: settings.optimizer.lr * factor, grad_norm: result.gradNorm };
        if (result.ahead > 0) metrics['mtp_loss'] = result.ahead;
        if (result.balance > 0) metrics['balance_loss'] = result.balance;
        return { loss: result.loss, trained: settings.batch * settings.window, sampled: 0, flops: result.flops, metrics };
      },
      shapes: () => ({ passes: [emptyBatch({ tokens: largest, targets: largest }, 1, { mtpWeight: settings.mtp_weight })], alone: settings.batch <= perPass, hostBytes: 64 * stream.length }),
      state: () => null,
      restore: () => {},
      close: () => updater.close(),
    };
  },
});

let cached: { key: string; order: number[] } | undefined;

/** Place `index` in the shuffled order of one epoch. */
function permuted(index: number, count: number, seed: number, epoch: number): number {
  const key = `${seed} ${epoch} ${count}`;
  if (cached?.key !== key) cached = { key, order: new RandomStream(seed, 2 ** 43 + epoch).shuffle(Array.from({ length: count }, (_, i) => i)) };
  return cached.order[index]!;
}
