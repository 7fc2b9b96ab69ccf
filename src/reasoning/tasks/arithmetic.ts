// Sums and differences of a few numbers, as on paper: column by column from the right, all terms of a column at once.
// 476+80-25:  6+0=6 6-5=1;1 7+8=15 15-2=13;31 4+1=5;531   Behind each semicolon stands the result so far, so that the
// answer is a copy of the last thing written. A column below zero borrows: 2-9=-7 -7+10=3;3 and then one less at left.

import { defineTask, fill, phrasesOf, plainAnswer, type PerLanguage, type Task } from './task.ts';

/** Signed terms, the first one positive. */
export interface Arithmetic { readonly terms: readonly number[] }

/** Digits of each term, by difficulty. */
const shapes: Readonly<Record<number, readonly number[]>> = { 1: [2, 2], 2: [3, 2, 2], 3: [3, 3, 3], 4: [4, 4, 4, 4] };

const wording: PerLanguage<readonly string[]> = {
  de: ['Berechne {sum}.', 'Was ist {sum}?', 'Wie viel ist {sum}?'],
  en: ['Compute {sum}.', 'What is {sum}?', 'How much is {sum}?'],
};

const total = (terms: readonly number[]): number => terms.reduce((sum, term) => sum + term, 0);
const write = (terms: readonly number[]): string => terms.map((term, i) => (i && term >= 0 ? `+${term}` : `${term}`)).join('');

export const arithmetic: Task<Arithmetic> = defineTask<Arithmetic>({
  name: 'arithmetic',
  title: { de: 'Rechnen auf Papier', en: 'Sums on paper' },
  difficulties: [
    { level: 1, meaning: { de: 'zwei zweistellige Zahlen', en: 'two numbers of two digits' } },
    { level: 2, meaning: { de: 'drei Zahlen mit drei, zwei und zwei Stellen', en: 'three numbers of three, two and two digits' } },
    { level: 3, meaning: { de: 'drei dreistellige Zahlen', en: 'three numbers of three digits' } },
    { level: 4, meaning: { de: 'vier vierstellige Zahlen', en: 'four numbers of four digits' } },
  ],
  defaultDifficulty: 2,
  phrases: phrasesOf(wording.de, wording.en),

  // At least the sums without a minus: the first term if it alone is longer, times multisets of the others.
  instances(difficulty) {
    const digits = shapes[difficulty]!;
    const span = (length: number): number => 9 * 10 ** (length - 1);
    if (digits[0] !== digits[1]) return span(digits[0]!) * multisets(span(digits[1]!), digits.length - 1);
    return multisets(span(digits[0]!), digits.length);
  },

  draw(rng, difficulty) {
    const digits = shapes[difficulty]!;
    for (;;) {
      const terms = digits.map((length, i) => {
        const size = rng.integer(10 ** (length - 1), 10 ** length - 1);
        return i > 0 && rng.chance(0.5) ? -size : size;
      });
      if (total(terms) >= 10 ** (digits[0]! - 1)) return { terms };   // no leading zeros to be dropped
    }
  },
  key: ({ terms }) => [...terms].sort((a, b) => b - a).join(' '),
  prompt: ({ terms }, language, rng) => fill(rng.pick(wording[language]), { sum: write(terms) }),
  answer: ({ terms }) => String(total(terms)),

  solve({ data: { terms }, answer }, _, manner = 'paper') {
    if (manner === 'head') return { thinking: sumsInHead(terms).join(' '), answer };
    const columns = Math.max(...terms.map((term) => String(Math.abs(term)).length));
    const steps: string[] = [];
    let carry = 0;
    let result = '';
    for (let column = 0; column < columns; column++) {
      const digits = terms.map((term) => digitAt(term, column)).filter((digit) => digit !== undefined);
      if (carry !== 0) digits.splice(1, 0, { sign: Math.sign(carry), digit: Math.abs(carry) });
      let sum = digits[0]!.digit;
      if (digits.length === 1) steps.push(`${sum}`);
      for (const { sign, digit } of digits.slice(1)) {
        steps.push(`${sum}${sign < 0 ? '-' : '+'}${digit}=${sum + sign * digit}`);
        sum += sign * digit;
      }
      carry = Math.floor(sum / 10);
      if (carry < 0) steps.push(`${sum}+${-10 * carry}=${sum - 10 * carry}`);
      result = (column === columns - 1 ? `${sum}` : `${sum - 10 * carry}`) + result;
      steps.push(`${steps.pop()};${result}`);
    }
    return { thinking: steps.join(' '), answer: result };
  },

  verify: (problem, answer) => plainAnswer(answer) === problem.answer,

  // Right in size, the last digits by chance.
  guess: ({ data: { terms } }, rng) => String(Math.max(0, Math.round(total(terms) / 100) * 100 + rng.integer(-50, 49))),
});

/** One term after the other: `699-75=624 624-93=531` */
function sumsInHead([first, ...rest]: readonly number[]): string[] {
  let sum = first!;
  return rest.map((term) => {
    const step = `${write([sum, term])}=${sum + term}`;
    sum += term;
    return step;
  });
}

function digitAt(term: number, column: number): { sign: number; digit: number } | undefined {
  const text = String(Math.abs(term));
  return column < text.length ? { sign: Math.sign(term), digit: Number(text[text.length - 1 - column]) } : undefined;
}

/** Multisets of `size` out of `values`: (values + size - 1) over size. */
function multisets(values: number, size: number): number {
  let count = 1;
  for (let i = 0; i < size; i++) count = (count * (values + i)) / (i + 1);
  return count;
}
