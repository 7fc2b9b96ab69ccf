// Accuracy on problems of the test split, greedy, with the thinking the model does; and the control in which the thought
// is forced empty.

import { TiefsucheError } from '../errors.ts';
import type { SamplerSettings } from '../engine/ops/sample.ts';
import type { LanguageModel } from '../models/language-model.ts';
import { stopIds } from '../models/language-model.ts';
import { type ProblemMix, drawFrom, problemPrompt } from '../reasoning/problems.ts';
import { type Rollout, roomFor } from '../reasoning/rollout.ts';
import { noThinking, reward, splitThought } from '../reasoning/thinking.ts';
import { thoughtPlace } from '../reasoning/thinking-models.ts';
import { wilson } from './interval.ts';

export interface Answer {
  readonly prompt: string;
  readonly expected: string;
  readonly thinking: string;
  readonly content: string;
  readonly right: boolean;
  readonly tokens: number;
}

export interface FamilyAccuracy {
  readonly task: string;
  readonly accuracy: number;
  readonly n: number;
  readonly interval: [number, number];
  readonly answers: readonly Answer[];
}

export interface AccuracyOptions {
  readonly n: number;
  readonly seed: number;
  readonly maxNew: number;
  /** Puts an empty thought in front of the answer. */
  readonly withoutThinking?: boolean;
  readonly cancel?: { readonly cancelled: boolean };
  /** Called with each finished answer. */
  readonly onAnswer?: (done: number, total: number) => void;
}

/** The most likely token, always. */
export const evaluationSampler: SamplerSettings = { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0 };

/** Rows at a time: rollouts enter as others leave. */
export async function taskAccuracy(language: LanguageModel, rollout: Rollout, mix: ProblemMix, options: AccuracyOptions): Promise<FamilyAccuracy[]> {
  const { tokenizer } = language, place = thoughtPlace(language), { inside, tags } = place, thinks = inside || tokenizer.encode(tags.open).length === 1; // other models answer as they are
  const forced = options.withoutThinking && thinks ? tokenizer.encode(inside ? tags.close : noThinking(tags)) : new Int32Array(0);
  const drawn = mix.tasks.flatMap((_, family) => Array.from({ length: options.n }, (__, i) => drawFrom(mix, family, options.seed, i, 'test')));
  const prompts = drawn.map(({ problem }) => Int32Array.from([...problemPrompt(language, problem), ...forced]));
  const longest = Math.max(...prompts.map((p) => p.length));
  if (longest >= rollout.maxTokens) throw new TiefsucheError('INPUT', `a prompt of ${longest} tokens leaves no room for an answer: there are ${rollout.maxTokens} positions`, { hint: 'Raise evaluation.max_prompt_tokens in the recipe, or shorten the prompts; `tiefsuche data inspect` shows their lengths.' });
  await rollout.refresh();
  let done = 0;
  const completions = await rollout.generate(prompts.map((prompt) => ({ prompt, maxNew: roomFor(prompt, rollout, options.maxNew), streams: [0] })), {
    stops: stopIds(language), settings: evaluationSampler, ...(options.cancel && { cancel: options.cancel }), onCompletion: () => options.onAnswer?.(++done, drawn.length),
  });
  language.model.unpack();
  const answers = drawn.map(({ problem, task }, i): Answer => {
    const c = completions[i]![0]!, ended = c.finish === 'stop';
    const text = tokenizer.decode([...forced, ...(ended ? c.tokens.subarray(0, -1) : c.tokens)]);
    const { thinking, content } = splitThought(text, place);
    return { prompt: problem.prompt, expected: problem.answer, thinking, content, right: ended && reward(task, problem, text, { thinks, ...place }) === 1, tokens: c.tokens.length };
  });
  return mix.tasks.map(({ task }, family) => {
    const own = answers.slice(family * options.n, (family + 1) * options.n), right = own.filter((a) => a.right).length;
    return { task, accuracy: right / options.n, n: options.n, interval: wilson(right, options.n), answers: own };
  });
}
