// Make a number out of others, each used once, as in the game show. The expert searches depth first (the German word for
// it gave this project its name): from the result so far always plus before minus, back up when nothing fits, each try
// written down.  43 from 20 15 9 1:  20+15=35 35+9=44 44-1=43   A try that plainly leads the wrong way is not made.

import { invariant } from '../../errors.ts';
import { equals, evaluate } from './expression.ts';
import { defineTask, fill, phrasesOf, plainAnswer, type PerLanguage, type Task } from './task.ts';
import type { RandomStream } from '../../engine/random.ts';

/** Numbers from the largest to the smallest, and the first way to the target that the search meets. */
export interface Countdown { readonly numbers: readonly number[]; readonly target: number; readonly solution: string }

const wording: PerLanguage<readonly string[]> = {
  de: ['Bilde {target} aus {numbers}.', 'Wie kommt man mit {numbers} auf {target}?', 'Erreiche {target} mit {numbers}.'],
  en: ['Make {target} from {numbers}.', 'How do you get {target} with {numbers}?', 'Reach {target} with {numbers}.'],
};
const comma = ', ';

interface Level {
  readonly size: number;
  readonly largest: number;
  readonly largestTarget: number;
  /** A chain adds and subtracts in the order of the numbers; else any two numbers, with all four operations. */
  readonly chain: boolean;
  /** Chance that the expert makes a try of which he could know that it leads nowhere. */
  readonly overlooks: number;
  /** Chance that a wrong first, second … move is left out of the demonstration, where a full search is too long to show. */
  readonly leaveOut: readonly number[];
  /** Counted: for every multiset of numbers, the targets that can be reached. */
  readonly instances: number;
}
const levels: Readonly<Record<number, Level>> = {
  1: { size: 3, largest: 20, largestTarget: 999, chain: true, overlooks: 0.5, leaveOut: [], instances: 5_025 },
  2: { size: 4, largest: 50, largestTarget: 999, chain: true, overlooks: 0.5, leaveOut: [], instances: 1_784_314 },
  3: { size: 3, largest: 12, largestTarget: 100, chain: false, overlooks: 0, leaveOut: [], instances: 4_473 },
  4: { size: 3, largest: 50, largestTarget: 999, chain: false, overlooks: 0.5, leaveOut: [], instances: 286_995 },
  5: { size: 4, largest: 20, largestTarget: 999, chain: false, overlooks: 0.5, leaveOut: [0.9, 0.6], instances: 840_515 },
};

/** A number on the table: given, or made of others. `binds`: 1 a sum, 2 a product, 3 a plain number. */
interface Term { readonly value: number; readonly text: string; readonly binds: 1 | 2 | 3 }
type Operator = '+' | '-' | '*' | '/';
interface Move {
  readonly left: Term;
  readonly operator: Operator;
  readonly right: Term;
  readonly made: Term;
  /** The other numbers on the table, from the largest to the smallest. */
  readonly rest: readonly Term[];
}

export const countdown: Task<Countdown> = defineTask<Countdown>({
  name: 'countdown',
  title: { de: 'Zahlen bilden', en: 'Countdown' },
  difficulties: [
    { level: 1, meaning: { de: 'drei Zahlen bis 20, plus und minus', en: 'three numbers up to 20, plus and minus' } },
    { level: 2, meaning: { de: 'vier Zahlen bis 50, plus und minus', en: 'four numbers up to 50, plus and minus' } },
    { level: 3, meaning: { de: 'drei Zahlen bis 12, alle vier Rechenarten, Ziele bis 100', en: 'three numbers up to 12, all four operations, targets up to 100' } },
    { level: 4, meaning: { de: 'drei Zahlen bis 50, alle vier Rechenarten', en: 'three numbers up to 50, all four operations' } },
    { level: 5, meaning: { de: 'vier Zahlen bis 20, alle vier Rechenarten', en: 'four numbers up to 20, all four operations' } },
  ],
  defaultDifficulty: 2,
  phrases: [...phrasesOf(wording.de, wording.en), comma],

  instances: (difficulty) => levels[difficulty]!.instances,

  draw(rng, difficulty) {
    const level = levels[difficulty]!;
    for (;;) {
      const numbers = Array.from({ length: level.size }, () => rng.integer(1, level.largest)).sort((a, b) => b - a);
      const ways = [...reachable(numbers, difficulty)];
      if (ways.length === 0) continue;
      const [target, solution] = rng.pick(ways);
      return { numbers, target, solution };
    }
  },
  key: ({ numbers, target }) => `${numbers.join(' ')} = ${target}`,
  prompt: ({ numbers, target }, language, rng) => fill(rng.pick(wording[language]), { numbers: numbers.join(comma), target }),
  answer: ({ solution }) => solution,

  solve({ data: { numbers, target }, difficulty }, rng, manner = 'paper') {
    const { steps, found } = search(numbers.map(given), target, { ...levels[difficulty]!, aloud: manner === 'paper' }, 0, rng);
    invariant(found !== undefined, `the search for ${target} from ${numbers.join(' ')} found nothing`);
    return { thinking: steps.join(' '), answer: found };
  },

  verify({ data: { numbers, target } }, answer) {
    const result = evaluate(plainAnswer(answer));
    return result !== undefined && equals(result.value, target)
      && [...result.numbers].sort((a, b) => b - a).join() === numbers.join();
  },

  guess: ({ data: { numbers } }) => numbers.join('+'),
});

const given = (value: number): Term => ({ value, text: String(value), binds: 3 });

/** Everything that can be done with the numbers on the table, in the order of the search; whole results of 0 or more only. */
function moves(table: readonly Term[], chain: boolean): Move[] {
  if (chain) return [...pairMoves(table[0]!, table[1]!, table.slice(2), ['+', '-'])];
  return table.flatMap((left, i) => table.slice(i + 1).flatMap((right, j) => {
    const rest = table.filter((_, at) => at !== i && at !== i + 1 + j);
    return [...pairMoves(left, right, rest, ['+', '-', '*', '/'])];
  }));
}

function* pairMoves(left: Term, right: Term, rest: readonly Term[], operators: readonly Operator[]): Generator<Move> {
  for (const operator of operators) {
    const value = apply(left.value, operator, right.value);
    if (value !== undefined) yield { left, operator, right, made: combine(left, operator, right, value), rest };
  }
}

/** Undefined where an expert would not: below zero, a fraction, times or by one. */
function apply(x: number, operator: Operator, y: number): number | undefined {
  if (operator === '+') return x + y;
  if (operator === '-') return x >= y ? x - y : undefined;
  if (x < 2 || y < 2) return undefined;
  if (operator === '*') return x * y;
  return x % y === 0 ? x / y : undefined;
}

function combine(left: Term, operator: Operator, right: Term, value: number): Term {
  const isSum = operator === '+' || operator === '-';
  const wrap = (term: Term, needed: number): string => (term.binds < needed ? `(${term.text})` : term.text);
  const rightNeeds = { '+': 1, '-': 2, '*': 2, '/': 3 }[operator];
  return { value, text: wrap(left, isSum ? 1 : 2) + operator + wrap(right, rightNeeds), binds: isSum ? 1 : 2 };
}

/** The table after a move: a chain goes on from the result, else the result takes its place among the numbers. */
function after({ made, rest }: Move, chain: boolean): Term[] {
  return chain ? [made, ...rest] : [made, ...rest].sort((a, b) => b.value - a.value);
}

/** All targets from 1 to the largest, each with the first expression found. */
export function reachable(numbers: readonly number[], difficulty: number): Map<number, string> {
  const { chain, largestTarget } = levels[difficulty]!;
  const ways = new Map<number, string>();
  const visit = (table: readonly Term[]): void => {
    for (const move of moves(table, chain)) {
      const { value, text } = move.made;
      if (move.rest.length > 0) visit(after(move, chain));
      else if (value >= 1 && value <= largestTarget && !ways.has(value)) ways.set(value, text);
    }
  };
  visit(numbers.map(given));
  return ways;
}

/** True only where the target is certainly out of reach; the last move in the wrong direction is always seen. */
function hopeless({ left, operator, made, rest }: Move, target: number, { chain, overlooks }: Level, rng: RandomStream): boolean {
  if (rest.length === 0) {
    const grows = operator === '+' || operator === '*';
    return made.value !== target && (grows ? left.value >= target : left.value <= target);
  }
  return tooFar(made.value, rest.map(({ value }) => value), target, chain) && rng.chance(1 - overlooks); // harder to see
}

/** Whether a result is too large or too small for what the other numbers can still do to it. */
function tooFar(made: number, others: readonly number[], target: number, chain: boolean): boolean {
  if (chain) return Math.abs(target - made) > others.reduce((sum, value) => sum + value, 0);
  if (others.length > 1) return false;
  const large = Math.max(made, others[0]!), small = Math.min(made, others[0]!);
  return (large - small > target && large !== target * small) || (large + small < target && large * small < target);
}

/** `aloud`: with the tries that failed; otherwise only the way that leads to the target. */
function search(
  table: readonly Term[], target: number, level: Level & { readonly aloud: boolean }, depth: number, rng: RandomStream,
): { steps: string[]; found?: string } {
  const steps: string[] = [];
  for (const move of moves(table, level.chain)) {
    if (hopeless(move, target, level, rng)) continue;
    const step = `${move.left.value}${move.operator}${move.right.value}=${move.made.value}`;
    if (move.rest.length === 0) {
      if (move.made.value === target) return { steps: [...steps, step], found: move.made.text };
      if (level.aloud) steps.push(step);
      continue;
    }
    const below = search(after(move, level.chain), target, level, depth + 1, rng);
    if (below.found !== undefined) return { steps: [...steps, step, ...below.steps], found: below.found };
    if (!rng.chance(level.leaveOut[depth] ?? 0) && level.aloud) steps.push(step, ...below.steps);
  }
  return { steps };
}
