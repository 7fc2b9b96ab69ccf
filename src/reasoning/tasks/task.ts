// A task is a family of problems without end: it draws a problem, shows how an expert solves it, and checks an answer.
// Training and test problems are disjoint by construction: the split is a function of the problem's canonical key (the
// instance alone, whatever the language, the wording or the order of its parts), and drawing goes on until it fits.

import { createHash } from 'node:crypto';
import { TiefsucheError } from '../../errors.ts';
import { RandomStream } from '../../engine/random.ts';
import type { ChatMessage } from '../../tokenizer/chat-template.ts';

export type Language = 'de' | 'en';
export type Split = 'train' | 'test';
export type PerLanguage<T> = Readonly<Record<Language, T>>;

/** What a model is asked. */
export interface Asked {
  readonly prompt: string;
  /** All that is said before the answer, where it is more than the prompt. */
  readonly messages?: readonly ChatMessage[];
  /** Functions it may call. */
  readonly tools?: readonly unknown[] | undefined;
}

export interface Problem<Data = unknown> extends Asked {
  readonly task: string;
  /** Task and canonical key: equal for two problems exactly if they ask for the same thing. */
  readonly id: string;
  readonly difficulty: number;
  readonly language: Language;
  /** One right answer; there may be others, only `verify` decides. */
  readonly answer: string;
  readonly data: Data;
}

/** On paper every small step is written down; in the head it is a few large ones, right as well, but hard to learn. */
export type Manner = 'paper' | 'head';

export interface Solution {
  readonly thinking: string;
  readonly answer: string;
}

export interface Difficulty {
  readonly level: number;
  readonly meaning: PerLanguage<string>;
}

export interface ProblemRequest {
  readonly seed: number;
  readonly index: number;
  readonly difficulty: number;
  readonly language: Language;
  readonly split: Split;
}

export interface Task<Data = unknown> {
  readonly name: string;
  readonly title: PerLanguage<string>;
  readonly difficulties: readonly Difficulty[];
  readonly defaultDifficulty: number;
  /** Every word and fixed phrase of the task's texts; see `vocabulary`. */
  readonly phrases: readonly string[];
  /** False where an answer counts without a closed thought before it. */
  readonly thinks?: boolean;
  /** How many different problems (canonical keys) there are at least, both splits together. */
  instances(difficulty: number): number;
  /** The same request gives the same problem, on any machine; German and English differ in the wording alone. */
  generate(request: ProblemRequest): Problem<Data>;
  /** All that is asked in a split, where it is a list and not drawn: the longest of it can be planned for. */
  asked?(split: Split): readonly Asked[];
  /** An expert's demonstration: every statement in it is true, and each follows from text near by. */
  solve(problem: Problem<Data>, rng: RandomStream, manner?: Manner): Solution;
  verify(problem: Problem<Data>, answer: string): boolean;
  /** Part of the reward for an answer that is partly right, below 1; none by default. */
  partial?(problem: Problem<Data>, answer: string): number;
  /** The best answer without thinking: what `verify` makes of it is the floor an accuracy has to be read against. */
  guess(problem: Problem<Data>, rng: RandomStream): string;
}

/** What a task's own file gives: `draw` and `key` know the instance, `prompt` and `answer` its wording. */
export interface TaskDefinition<Data> extends Omit<Task<Data>, 'generate'> {
  draw(rng: RandomStream, difficulty: number): Data;
  key(data: Data): string;
  prompt(data: Data, language: Language, rng: RandomStream): string;
  answer(data: Data, language: Language): string;
}

const testShare = 16;   // one key in 16 is a test problem

/** The split a problem belongs to, for ever. */
export function splitOf(id: string): Split {
  return createHash('sha256').update(id).digest()[0]! % testShare === 0 ? 'test' : 'train';
}

/** Makes the task out of its parts. */
export function defineTask<Data>(definition: TaskDefinition<Data>): Task<Data> {
  const { name } = definition;
  return {
    ...definition,
    generate({ seed, index, difficulty, language, split }) {
      checkDifficulty(definition, difficulty);
      const rng = new RandomStream(seed, streamOf(`${name} ${difficulty} ${split}`, index));
      for (;;) {
        const data = definition.draw(rng, difficulty);
        const id = `${name} ${definition.key(data)}`;
        if (splitOf(id) !== split) continue;
        const prompt = definition.prompt(data, language, rng);
        return { task: name, id, difficulty, language, prompt, answer: definition.answer(data, language), data };
      }
    },
  };
}

/** Streams of different purposes never meet: 21 bits from the purpose, 32 from the index. */
function streamOf(purpose: string, index: number): number {
  const bits = createHash('sha256').update(purpose).digest().readUInt32BE() >>> 11;
  return bits * 2 ** 32 + index;
}

function checkDifficulty(task: Pick<Task, 'name' | 'difficulties'>, difficulty: number): void {
  const levels = task.difficulties.map(({ level }) => level);
  if (levels.includes(difficulty)) return;
  throw new TiefsucheError('CONFIG', `the task ${task.name} has no difficulty ${difficulty}`,
    { hint: `choose one of ${levels.join(', ')}` });
}

/** Puts values into the places of a template: `fill('{n} days', { n: 3 })` is '3 days'. */
export function fill(template: string, values: Readonly<Record<string, string | number>>): string {
  return template.replace(/\{(\w+)\}/g, (_, place: string) => String(values[place]));
}

/** The fixed text between the places of templates. */
export function phrasesOf(...templates: readonly (string | readonly string[])[]): string[] {
  return [...new Set(templates.flat().flatMap((template) => template.split(/\{\w+\}/)))].filter((phrase) => phrase !== '');
}

/** What answers are compared by: no outer white space, no final full stop. */
export function plainAnswer(answer: string): string {
  return answer.trim().replace(/\s*\.$/, '');
}
