// Supervised fine-tuning: loss on the assistant's tokens only, sequences packed without padding, documents apart.
// Data are demonstrations of tasks, drawn afresh for each step, or a file (sft-file.ts). The held-out loss is measured on
// problems of the test split; a stage may end itself when that loss improved by less than `until.improvement` over the
// last `until.share` of its steps.

import { z } from 'zod';
import { scheduleFactor } from '../engine/optimizers.ts';
import { Tape } from '../engine/tape.ts';
import { execute, read } from '../engine/program.ts';
import { type Batch, recordLoss } from '../models/loss.ts';
import { demonstration, drawFrom, drawProblem } from '../reasoning/problems.ts';
import { thoughtPlace } from '../reasoning/thinking-models.ts';
import { type Example, emptyBatch, limitsFor, packBatches, targetCount } from './batches.ts';
import { type StageContext, defineMethod } from './method.ts';
import { withFiles } from './file-task.ts';
import { oneAhead } from './one-ahead.ts';
import { optimizerOf, optimizerSchema, problemsSchema, scheduleOf, scheduleSchema } from './settings.ts';
import { fileExamples, fileSchema, largest, readExamples, tokenCount } from './sft-file.ts';
import { Updater } from './updater.ts';

export const sftSchema = z.strictObject({
  data: z.union([problemsSchema, fileSchema]),
  steps: z.int().min(1),
  /** Sequences a step. */
  batch: z.int().min(1).default(32),
  /** Most tokens in one pass; more are split into micro-batches. */
  micro_tokens: z.int().min(16).default(8192),
  optimizer: optimizerSchema.prefault({}),
  schedule: scheduleSchema.prefault({}),
  /** Weight of the multi-token prediction loss, for models that have its modules. */
  mtp_weight: z.number().min(0).default(0),
  /** Measure the held-out loss this often; 0: never. */
  heldout_every: z.int().min(0).default(0),
  heldout_size: z.int().min(1).default(128),
  /** Measure it before the first step, too. */
  heldout_at_start: z.boolean().default(false),
  /** More files whose loss is measured at the start and at the end, to see what the model forgets. */
  heldout_also: z.array(z.strictObject({ name: z.string().regex(/^[a-z_]+$/, 'expected small letters'), ...fileSchema.pick({ file: true, max_tokens: true }).shape })).default([]),
  /** Ends the stage early by this rule. */
  until: z.strictObject({ improvement: z.number().min(0), share: z.number().gt(0).lt(1) }).optional(),
}).refine((s) => s.until === undefined || s.heldout_every > 0, { path: ['until'], error: 'expected heldout_every above 0 beside it: the rule looks at that loss' });

export const sft = defineMethod({
  name: 'sft',
  schema: sftSchema,
  async start(context, settings) {
    const { language, arena, seed } = context;
    const updater = new Updater(language.model, arena, optimizerOf(settings.optimizer), settings.optimizer.router_bias_rate);
    const schedule = scheduleOf(settings.schedule);
    const source = await sourceOf(context, settings);
    const examplesOf = (step: number): Example[] => Array.from({ length: settings.batch }, (_, i) => source.train(step * settings.batch + i));
    const also = await Promise.all(settings.heldout_also.map(async ({ name, ...file }) => ({ name, examples: (await readExamples(language, context.folder, file, context.files)).slice(0, settings.heldout_size) })));
    const planned = [...source.longest, ...also.flatMap((a) => largest(a.examples))].map((e) => [e]);
    const limits = limitsFor([...Array.from({ length: Math.min(settings.steps, 48) }, (_, step) => examplesOf(step)), ...planned], settings.micro_tokens);
    const own = source.test ? [{ name: 'heldout_loss', examples: source.test }] : [], scored = [...own, ...also.map((a) => ({ ...a, name: `heldout_loss_${a.name}` }))];
    const atStart = (step: number): boolean => settings.heldout_at_start && step === 0, atEnd = (step: number): boolean => step + 1 === settings.steps;
    /** What is measured after this step. */
    const scoredAt = (step: number): typeof scored => (settings.heldout_every === 0 ? [] : atEnd(step) ? scored : (step + 1) % settings.heldout_every === 0 ? own : []);
    const packScored = (examples: readonly Example[], coefficient: number): Batch[] => packBatches(examples, { coefficient, limits });
    const prepared = oneAhead(settings.steps, (step) => {
      const examples = examplesOf(step), targets = examples.reduce((n, e) => n + targetCount(e), 0);
      return { examples, batches: packBatches(examples, { coefficient: 1 / targets, limits, mtpWeight: settings.mtp_weight }) };
    });
    let heldout: { step: number; loss: number }[] = [];
    return {
      steps: settings.steps,
      updater,
      ...(source.meanTokens !== undefined && { meanTokens: settings.batch * source.meanTokens }),
      ...((settings.heldout_every > 0 || settings.heldout_at_start) && { beside: { tokens: besideTokens(), at: (step: number) => atStart(step) || scoredAt(step).length > 0, sample: someScored } }),
      async step(step) {
        const { examples, batches } = prepared.at(step), next = prepared.after(step);
        const before = atStart(step) ? await heldoutLosses(scored, '_at_start') : {};
        const factor = scheduleFactor(schedule, step, settings.steps);
        const result = await updater.update(batches, step + 1, factor, next && (() => next().batches));
        const metrics: Record<string, number> = { ...before, learning_rate: settings.optimizer.lr * factor, grad_norm: result.gradNorm };
        if (result.ahead > 0) metrics['mtp_loss'] = result.ahead;
        if (result.balance > 0) metrics['balance_loss'] = result.balance;
        Object.assign(metrics, await heldoutLosses(scoredAt(step)));
        if (metrics['heldout_loss'] !== undefined) heldout.push({ step: step + 1, loss: metrics['heldout_loss'] });
        return { loss: result.loss, trained: tokenCount(examples), sampled: 0, flops: result.flops, metrics };
      },
      shapes: () => ({
        passes: [emptyBatch(limits, Math.min(settings.batch, 32), { mtpWeight: settings.mtp_weight })],
        ...(settings.heldout_every > 0 && { scoring: scored.flatMap(({ examples }) => packScored(examples, 1)) }),
      }),
      finished: () => settings.until !== undefined && hasSettled(heldout, settings.until),
      state: () => ({ heldout }),
      restore: (state) => { heldout = (state as { heldout: typeof heldout }).heldout; },
      close: () => updater.close(),
    };

    async function heldoutLosses(sets: typeof scored, ending = ''): Promise<Record<string, number>> {
      const losses: Record<string, number> = {};
      for (const { name, examples } of sets) losses[name + ending] = await meanLoss(examples);
      return losses;
    }

    function besideTokens(): number {
      const of = (sets: typeof scored): number => sets.reduce((n, { examples }) => n + tokenCount(examples), 0);
      return Array.from({ length: settings.steps }, (_, step) => (atStart(step) ? of(scored) : 0) + of(scoredAt(step))).reduce((a, b) => a + b, 0);
    }

    /** Rows of all sets in turn, about as many tokens as one pass takes. */
    async function someScored(): Promise<number> {
      const some: Example[] = [], longest = Math.max(...scored.map(({ examples }) => examples.length));
      for (let i = 0; i < longest && tokenCount(some) < limits.tokens; i++) for (const { examples } of scored) some.push(...examples.slice(i, i + 1));
      if (some.length > 0) await meanLoss(some);
      return tokenCount(some);
    }

    async function meanLoss(examples: readonly Example[]): Promise<number> {
      const targets = examples.reduce((n, e) => n + targetCount(e), 0);
      let sum = 0;
      for (const batch of packScored(examples, 1 / targets)) {
        const tape = new Tape({ training: false });
        const recorded = recordLoss(tape, language.model, batch);
        const program = tape.finish(arena);
        await execute(program);
        sum += read(program, recorded.loss).reduce((a, b) => a + b, 0);
      }
      return sum;
    }

    async function sourceOf({ folder, files }: StageContext, { data, heldout_size }: z.output<typeof sftSchema>): Promise<{ train: (index: number) => Example; test: Example[] | null; longest: readonly Example[]; meanTokens?: number }> {
      if ('file' in data) return fileExamples(language, folder, data, seed, heldout_size, files);
      const mix = await withFiles(data, folder), perFamily = Math.ceil(heldout_size / mix.tasks.length), place = thoughtPlace(language);
      return {
        longest: [],
        train: (index) => demonstration(language, drawProblem(mix, seed, index, 'train'), data.in_head, place),
        test: mix.tasks.flatMap((_, family) => Array.from({ length: perFamily }, (__, i) => demonstration(language, drawFrom(mix, family, seed + 1, i, 'test'), data.in_head, place))),
      };
    }
  },
});

/** True when the held-out loss fell by less than `improvement` (a share of it) over the last `share` of the steps. */
export function hasSettled(heldout: readonly { step: number; loss: number }[], { improvement, share }: { improvement: number; share: number }): boolean {
  const last = heldout[heldout.length - 1];
  if (!last) return false;
  const before = heldout.filter((h) => h.step <= last.step * (1 - share)).at(-1);
  return before !== undefined && last.loss > before.loss * (1 - improvement);
}
