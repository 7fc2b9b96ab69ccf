// Drawing problems from a mixture of tasks, and putting them into token ids: the prompt as the chat template renders it,
// the demonstration as the model should continue it.

import { type TextSide, promptIds, stopIds } from '../models/language-model.ts';
import { RandomStream } from '../engine/random.ts';
import { type Asked, type Language, type Problem, type Split, type Task, taskNamed } from './tasks/index.ts';
import { type ThoughtPlace, formatThought } from './thinking.ts';
import { thoughtPlace } from './thinking-models.ts';

export interface ProblemMix {
  readonly tasks: readonly { readonly task: string; readonly difficulty?: number | undefined; readonly weight: number; /** The task itself, where it is not one of ours. */ readonly source?: Task }[];
  readonly languages: readonly Language[];
  /** Share of the demonstrations that work in the head; none by default. */
  readonly in_head?: number;
}

export interface Drawn { readonly problem: Problem; readonly task: Task; /** Index into the mix. */ readonly family: number; readonly random: RandomStream }

/** Problem number `index` of a stream of problems. `weights` may replace those of the mix. */
export function drawProblem(mix: ProblemMix, seed: number, index: number, split: Split, weights: readonly number[] = mix.tasks.map((t) => t.weight)): Drawn {
  const random = new RandomStream(seed, 2 ** 40 + index);
  let at = random.uniform() * weights.reduce((a, b) => a + b, 0), family = 0;
  while (family < weights.length - 1 && at >= weights[family]!) at -= weights[family++]!;
  return drawFrom(mix, family, seed, index, split, random);
}

/** Problem number `index` of one family of the mix. */
export function drawFrom(mix: ProblemMix, family: number, seed: number, index: number, split: Split, random: RandomStream = new RandomStream(seed, 2 ** 40 + index)): Drawn {
  const { task: name, difficulty, source } = mix.tasks[family]!, task = source ?? taskNamed(name);
  const language = random.pick(mix.languages);
  return { task, family, random, problem: task.generate({ seed, index, difficulty: difficulty ?? task.defaultDifficulty, language, split }) };
}

export function problemPrompt(text: TextSide, { prompt, messages, tools }: Asked): Int32Array {
  return promptIds(text, messages ?? [{ role: 'user', content: prompt }], { tools });
}

/** Tokens of the longest prompt: of all of a list (its longest texts are tried), and of many draws of what is drawn, with a little room. */
export function longestPrompt(text: TextSide, mix: ProblemMix, seed: number, split: Split): number {
  const size = ({ prompt, messages, tools }: Asked): number => (messages ? JSON.stringify([messages, tools ?? null]) : prompt).length;
  const lists = mix.tasks.flatMap(({ source }) => [...(source?.asked?.(split) ?? [])].sort((a, b) => size(b) - size(a)).slice(0, 200));
  const drawn = mix.tasks.some(({ source }) => !source?.asked) ? Array.from({ length: 400 }, (_, i) => drawProblem(mix, seed, i, split).problem) : [];
  return [...lists, ...drawn].reduce((most, asked) => Math.max(most, problemPrompt(text, asked).length), 0) + 8;
}

/** Prompt and demonstration as ids; the loss is taken from `from` on. @param place that of the model: whoever makes many asks for it once */
export function demonstration(text: TextSide, { problem, task, random }: Drawn, inHead = 0, { inside, tags }: Required<ThoughtPlace> = thoughtPlace(text)): { ids: Int32Array; from: number } {
  const manner = inHead > 0 && random.chance(inHead) ? 'head' : 'paper';
  const prompt = problemPrompt(text, problem), { thinking, answer } = task.solve(problem, random, manner);
  const whole = task.thinks === false ? (inside ? tags.close : '') + answer : formatThought(thinking, answer, tags);
  const completion = text.tokenizer.encode(inside && task.thinks !== false ? whole.slice(tags.open.length) : whole);
  return { ids: Int32Array.from([...prompt, ...completion, stopIds(text)[0]!]), from: prompt.length };
}
