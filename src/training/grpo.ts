// Group relative policy optimisation, on policy (DeepSeekMath arXiv 2402.03300; without KL and standard deviation as in
// Dr. GRPO 2503.20783, token-level as in DAPO 2503.14476): for each prompt G samples, reward by the verifier (0 or 1, or a part),
// A = r − mean of the group, loss = −Σ_tokens min(ρA, clip(ρ)A) / (tokens of all groups with a signal). One engine
// samples and trains, so ρ is exactly 1 in the first pass over a batch. Groups whose rewards are all equal carry no
// signal and are left out (counted as dead). Options of the family: advantages by the standard deviation, a divergence from
// the policy the stage began with (reference-policy.ts; then groups without a signal stay in, for it), DAPO's soft
// punishment of long answers (2503.14476 eq. 13), answers that were cut off left out of the loss. Families that are neither solved nor hopeless are drawn more often:
// weight = floor + p(1 − p), p a running mean of the reward.

import { z } from 'zod';
import { RandomStream } from '../engine/random.ts';
import { scheduleFactor } from '../engine/optimizers.ts';
import { stopIds } from '../models/language-model.ts';
import { type Drawn, drawProblem, longestPrompt, problemPrompt } from '../reasoning/problems.ts';
import { roomFor } from '../reasoning/rollout.ts';
import { reward } from '../reasoning/thinking.ts';
import { thoughtPlace } from '../reasoning/thinking-models.ts';
import { withFiles } from './file-task.ts';
import type { Batch } from '../models/loss.ts';
import { type Example, type Limits, emptyBatch, packBatches } from './batches.ts';
import { defineMethod } from './method.ts';
import { ReferencePolicy, k3 } from './reference-policy.ts';
import { optimizerOf, optimizerSchema, problemsSchema, scheduleOf, scheduleSchema } from './settings.ts';
import { Updater } from './updater.ts';

export const grpoSchema = z.strictObject({
  data: problemsSchema,
  steps: z.int().min(1),
  prompts: z.int().min(1).default(24),
  /** Samples a prompt (G). */
  samples: z.int().min(2).default(8),
  max_new_tokens: z.int().min(1).default(96),
  temperature: z.number().positive().default(1),
  top_k: z.int().min(0).default(0),
  top_p: z.number().gt(0).max(1).default(1),
  min_p: z.number().min(0).lt(1).default(0),
  /** Divide advantages by the group's standard deviation (sample, n − 1), as the original does. */
  scale_by_std: z.boolean().default(false),
  /** Weight of the divergence from the policy the stage began with, for each token; 0: no such policy is kept. */
  beta: z.number().min(0).default(0),
  /** Answers within this many tokens of max_new_tokens lose reward in proportion, up to 1 for those that were cut off; 0: none do. */
  overlong_margin: z.int().min(0).default(0),
  /** Leaves answers that were cut off out of the loss. */
  overlong_filter: z.boolean().default(false),
  /** Passes over a batch in this many parts; with 1 the update is on policy and never clips. */
  minibatches: z.int().min(1).default(1),
  clip: z.strictObject({ low: z.number().positive(), high: z.number().positive() }).prefault({ low: 0.2, high: 0.28 }),
  /** Smallest weight of a family; 1 keeps the recipe's own weights. */
  family_floor: z.number().gt(0).max(1).default(0.06),
  micro_tokens: z.int().min(16).default(8192),
  optimizer: optimizerSchema.prefault({}),
  schedule: scheduleSchema.prefault({}),
}).refine((s) => s.overlong_margin <= s.max_new_tokens, { path: ['overlong_margin'], error: 'expected at most max_new_tokens' });

/** `rewards` by the verifier; `shaped` with what long answers lose. */
interface Sampled { readonly drawn: Drawn; readonly prompt: Int32Array; readonly rewards: number[]; readonly shaped: number[] }

/** A = r − mean, or (r − mean) / (std + 1e-4) with the sample standard deviation, as TRL and verl have it. */
export function advantages(rewards: readonly number[], scaleByStd: boolean): number[] {
  const mean = rewards.reduce((a, b) => a + b, 0) / rewards.length;
  if (!scaleByStd) return rewards.map((r) => r - mean);
  const std = Math.sqrt(rewards.reduce((s, r) => s + (r - mean) ** 2, 0) / (rewards.length - 1));
  return rewards.map((r) => (r - mean) / (std + 1e-4));
}

/** What an answer of `length` tokens loses (≤ 0): nothing up to `margin` before the longest, 1 from there on. */
export function overlongPunishment(length: number, longest: number, margin: number): number {
  if (margin === 0) return 0;
  return Math.max(-1, Math.min(0, (longest - margin - length) / margin));
}

export const grpo = defineMethod({
  name: 'grpo',
  schema: grpoSchema,
  async start({ language, arena, seed, cancel, folder, rollout: makeRollout }, settings) {
    const updater = new Updater(language.model, arena, optimizerOf(settings.optimizer), settings.optimizer.router_bias_rate);
    const schedule = scheduleOf(settings.schedule), data = await withFiles(settings.data, folder);
    const cut = settings.top_k > 0 || settings.top_p < 1 || settings.min_p > 0;
    const longest = longestPrompt(language, data, seed, 'train'), place = thoughtPlace(language);
    const supportCap = cut ? settings.top_k || language.model.dims.vocab : 0, maxTokens = longest + settings.max_new_tokens, maxRows = settings.prompts * settings.samples;
    const sampler = { temperature: settings.temperature, topK: settings.top_k, topP: settings.top_p, minP: settings.min_p, seed };
    const rollout = makeRollout({ maxRows, maxTokens, supportCap });
    // One completion at least must fit; of all vocabularies a row's support is rarely more than 64 ids.
    const tokens = Math.max(maxTokens, Math.min(settings.micro_tokens, maxRows * maxTokens));
    const limits: Limits = { tokens, ...(cut && { support: Math.max(tokens * Math.min(supportCap, 64), settings.max_new_tokens * supportCap) }) };
    const reference = settings.beta > 0 ? new ReferencePolicy(language.model, arena) : undefined;
    let success: number[] = data.tasks.map(() => 0.5);
    let updates = 0;

    /** The batches with what the reference policy thinks of their targets. */
    async function referred(batches: readonly Batch[], tokens: number): Promise<{ batches: Batch[]; logp: Float32Array[]; flops: number }> {
      if (!reference) return { batches: [...batches], logp: [], flops: 0 };
      const { logp, flops } = await reference.score(batches);
      return { logp, flops, batches: batches.map((batch, i) => ({ ...batch, reference: { logp: logp[i]!, weight: settings.beta / tokens } })) };
    }

    return {
      steps: settings.steps,
      updater,
      ...(reference && { reference }),
      async step(step) {
        const weights = data.tasks.map((t, i) => t.weight * (settings.family_floor === 1 ? 1 : settings.family_floor + success[i]! * (1 - success[i]!)));
        const problems = Array.from({ length: settings.prompts }, (_, i) => drawProblem(data, seed, step * settings.prompts + i, 'train', weights));
        const prompts = problems.map(({ problem }) => problemPrompt(language, problem));
        await rollout.refresh();
        const flopsBefore = rollout.flops;
        const completions = await rollout.generate(
          prompts.map((prompt, i) => ({ prompt, maxNew: roomFor(prompt, rollout, settings.max_new_tokens), streams: Array.from({ length: settings.samples }, (_, s) => ((step * settings.prompts + i) * settings.samples + s) % 2 ** 31) })),
          { stops: stopIds(language), cancel, settings: sampler });
        language.model.unpack();

        const groups: Sampled[] = problems.map((drawn, i) => {
          const rewards = completions[i]!.map((c) => (c.finish === 'stop' ? reward(drawn.task, drawn.problem, language.tokenizer.decode(c.tokens.subarray(0, -1)), place) : 0));
          return { drawn, prompt: prompts[i]!, rewards, shaped: rewards.map((r, s) => r + overlongPunishment(completions[i]![s]!.tokens.length, settings.max_new_tokens, settings.overlong_margin)) };
        });
        const isDead = ({ shaped }: Sampled): boolean => shaped.every((r) => r === shaped[0]);
        const live: { example: Example; advantage: number }[] = [];
        groups.forEach((group, i) => {
          if (isDead(group) && !reference) return;
          const { prompt, shaped } = group;
          advantages(shaped, settings.scale_by_std).forEach((advantage, s) => {
            const c = completions[i]![s]!;
            if (settings.overlong_filter && c.finish === 'length') return;
            if (advantage !== 0 || reference) live.push({ advantage, example: { ids: Int32Array.from([...prompt, ...c.tokens]), from: prompt.length, logp: c.logp, support: c.support } });
          });
        });
        for (const { drawn, rewards } of groups) for (const r of rewards) success[drawn.family] = 0.98 * success[drawn.family]! + 0.02 * r;

        const sampled = completions.flat().reduce((n, c) => n + c.tokens.length, 0);
        const all = groups.flatMap((g) => g.rewards);
        const flops = { model: 0, recompute: 0, sampling: rollout.flops - flopsBefore };
        const metrics: Record<string, number> = {
          reward: all.reduce((a, b) => a + b, 0) / all.length, dead_groups: groups.filter(isDead).length / groups.length,
          length: sampled / all.length, cut_off: completions.flat().filter((c) => c.finish === 'length').length / all.length,
        };
        for (const [name, wanted] of [['length_right', true], ['length_wrong', false]] as const) {
          const lengths = groups.flatMap(({ rewards }, i) => completions[i]!.filter((_, s) => (rewards[s] === 1) === wanted).map((c) => c.tokens.length));
          if (lengths.length > 0) metrics[name] = lengths.reduce((a, b) => a + b, 0) / lengths.length;
        }
        if (settings.overlong_margin > 0) metrics['overlong'] = groups.reduce((sum, g) => sum + g.shaped.reduce((a, r, s) => a + r - g.rewards[s]!, 0), 0) / all.length;
        let loss = 0, entropy = 0, rows = 0, gradNorm = 0, divergence = 0;
        for (const part of split(live, settings.minibatches, seed, step)) {
          if (part.length === 0) continue;
          const tokens = part.reduce((n, { example }) => n + example.ids.length - example.from, 0);
          const examples = part.map(({ example, advantage }) => ({ ...example, coefficients: new Float32Array(example.ids.length - example.from).fill(advantage / tokens) }));
          const { batches, logp: referenceLogp, flops: scoring } = await referred(packBatches(examples, { coefficient: 0, limits, temperature: settings.temperature, clip: settings.clip }), tokens);
          const result = await updater.update(batches, ++updates, scheduleFactor(schedule, step, settings.steps));
          loss += result.loss; gradNorm = result.gradNorm;
          entropy += result.entropy.reduce((a, b) => a + b, 0); rows += result.entropy.length;
          flops.model += result.flops.model; flops.recompute += result.flops.recompute; flops.sampling += scoring;
          let row = 0;
          for (const part of referenceLogp) for (const logp of part) divergence += k3(logp - result.logp[row++]!);
        }
        if (rows > 0) { metrics['entropy'] = entropy / rows; metrics['grad_norm'] = gradNorm; if (reference) metrics['kl'] = divergence / rows; }
        data.tasks.forEach((t, i) => { metrics[`success_${t.task}`] = success[i]!; });
        return { loss, trained: live.reduce((n, { example }) => n + example.ids.length, 0), sampled, flops, metrics };
      },
      shapes: () => {
        const logp = new Float32Array(limits.tokens - 1), batch = emptyBatch(limits, Math.min(32, maxRows), { oldLogp: logp, ...(reference && { reference: { logp, weight: 1 } }) });
        return { passes: [batch], ...(reference && { scoring: [batch], hostBytes: reference.bytes }), sampling: { rollout, settings: sampler } };
      },
      state: () => ({ success, updates }),
      restore: (state) => { ({ success, updates } = state as { success: number[]; updates: number }); },
      close: () => updater.close(),
    };
  },
});

function split<T>(items: readonly T[], parts: number, seed: number, step: number): T[][] {
  if (parts === 1) return [[...items]];
  const shuffled = new RandomStream(seed, 2 ** 42 + step).shuffle([...items]);
  const size = Math.ceil(shuffled.length / parts);
  return Array.from({ length: parts }, (_, i) => shuffled.slice(i * size, (i + 1) * size));
}
