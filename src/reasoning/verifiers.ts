// How an answer to a problem from a file is judged, and what the right one is. A new way is one entry in the table.

import { TiefsucheError } from '../errors.ts';
import { plainAnswer } from './tasks/task.ts';

export interface Verifier {
  /** The right answer, from the row's own answer or from the prompt. */
  expected(prompt: string, answer: string | undefined): string;
  verify(expected: string, content: string): boolean;
  /** What a wrong answer is worth for what is right in it, below 1. */
  partial?(expected: string, content: string): number;
}

function given(answer: string | undefined): string {
  if (answer === undefined) throw new TiefsucheError('INPUT', 'a row has no answer', { hint: 'Rows need a column answer, completion, output or response.' });
  return answer;
}

const lastNumber = (text: string): string | undefined => text.replaceAll(/(?<=\d),(?=\d{3})/g, '').match(/-?\d+(\.\d+)?/g)?.at(-1);

const sameStart = (a: string, b: string): number => { let n = 0; while (n < a.length && a[n] === b[n]) n++; return n; };

/** verl's digit completion: "a,b:max,n" is continued n times by (last + b − a) mod max. */
export function digitSequence(prompt: string): string {
  const [, a, b, max, n] = /^(\d+),(\d+):(\d+),(\d+)$/.exec(prompt.trim()) ?? [];
  if (n === undefined || Number(max) < 1) throw new TiefsucheError('INPUT', `${JSON.stringify(prompt)} is not a digit sequence`, { hint: 'It looks like 8,3:9,4: two numbers, the modulus, how many to add.' });
  const m = Number(max), step = (((Number(b) - Number(a)) % m) + m) % m;
  return Array.from({ length: Number(n) }, (_, i) => (Number(b) + (i + 1) * step) % m).join(',');
}

export const verifiers = {
  /** The same text, but for white space around it and a final full stop. */
  exact: { expected: (_, answer) => plainAnswer(given(answer)), verify: (expected, content) => plainAnswer(content) === expected },
  /** One of a few words, whatever their case. */
  choice: { expected: (_, answer) => plainAnswer(given(answer)), verify: (expected, content) => plainAnswer(content).toLowerCase() === expected.toLowerCase() },
  /** The last number of both texts (GSM8K). */
  last_number: {
    expected: (_, answer) => lastNumber(given(answer)) ?? '',
    verify: (expected, content) => expected !== '' && Number(lastNumber(content) ?? NaN) === Number(expected),
  },
  digit_sequence: {
    expected: (prompt) => digitSequence(prompt), verify: (expected, content) => content.trim() === expected,
    // As verl rewards it, so that a model can begin from nothing: the share of characters before the first wrong one.
    partial: (expected, content) => (expected === '' ? 0 : (0.9 * sameStart(expected, content.trim())) / expected.length),
  },
} as const satisfies Readonly<Record<string, Verifier>>;

export const verifierNamed = (name: VerifierName): Verifier => verifiers[name];

export type VerifierName = keyof typeof verifiers;
export const verifierNames = Object.keys(verifiers) as [VerifierName, ...VerifierName[]];
