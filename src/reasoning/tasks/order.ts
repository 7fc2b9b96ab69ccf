// Which number is the third smallest, who is the second oldest? Numbers are looked at one by one, keeping the best few in
// order, as many as the place asked for. Second smallest of 68, 96, 51, 30:  68 96:68<96 51:51<68 30:30<51   Clues about
// people are first turned the same way round, then strung together:  Ben>Max Lena>Ben 1:Lena 2:Ben   The answer is the
// last thing written.

import { defineTask, fill, phrasesOf, plainAnswer, type PerLanguage, type Task } from './task.ts';
import type { RandomStream } from '../../engine/random.ts';

interface Numbers { readonly kind: 'numbers'; readonly numbers: readonly number[]; readonly place: Place }
interface People {
  readonly kind: 'people';
  /** From the greatest to the smallest. */
  readonly order: readonly string[];
  /** Each says that `order[above]` is greater than the next one; `turned` clues say it the other way round. */
  readonly clues: readonly { readonly above: number; readonly turned: boolean }[];
  readonly quality: Quality;
  readonly place: Place;
}
/** The `nth` from one end, counted from 1. */
interface Place { readonly nth: number; readonly fromTop: boolean }
export type Order = Numbers | People;

const names = ['Anna', 'Ben', 'Clara', 'David', 'Emma', 'Felix', 'Hanna', 'Jan', 'Lena', 'Max', 'Nora', 'Paul', 'Rosa', 'Simon', 'Tim', 'Vera'];

const qualities = ['height', 'age', 'speed'] as const;
type Quality = (typeof qualities)[number];
/** Per quality: comparative up and down, superlative up and down. */
const adjectives: PerLanguage<Readonly<Record<Quality, readonly [string, string, string, string]>>> = {
  de: {
    height: ['größer', 'kleiner', 'größten', 'kleinsten'], age: ['älter', 'jünger', 'ältesten', 'jüngsten'],
    speed: ['schneller', 'langsamer', 'schnellsten', 'langsamsten'],
  },
  en: {
    height: ['taller', 'shorter', 'tallest', 'shortest'], age: ['older', 'younger', 'oldest', 'youngest'],
    speed: ['faster', 'slower', 'fastest', 'slowest'],
  },
};
const ordinals: PerLanguage<readonly string[]> = {
  de: ['', 'zweit', 'dritt', 'viert'], en: ['', 'second ', 'third ', 'fourth '],
};
const extremes: PerLanguage<readonly [string, string]> = { de: ['größte', 'kleinste'], en: ['largest', 'smallest'] };

const wording: PerLanguage<{ numbers: readonly string[]; clue: string; question: readonly string[] }> = {
  de: {
    numbers: ['Welche Zahl ist die {nth}{extreme}: {list}?', 'Nenne die {nth}{extreme} Zahl: {list}.'],
    clue: '{a} ist {comparative} als {b}. ',
    question: ['Wer ist am {nth}{superlative}?'],
  },
  en: {
    numbers: ['Which number is the {nth}{extreme}: {list}?', 'Name the {nth}{extreme} number: {list}.'],
    clue: '{a} is {comparative} than {b}. ',
    question: ['Who is the {nth}{superlative}?'],
  },
};
const comma = ', ';

/** How many numbers, or how many people; numbers have two digits. */
const levels: Readonly<Record<number, { kind: Order['kind']; size: number }>> = {
  1: { kind: 'numbers', size: 5 }, 2: { kind: 'numbers', size: 6 }, 3: { kind: 'people', size: 6 }, 4: { kind: 'people', size: 8 },
};
const smallest = 10, largest = 99;

export const order: Task<Order> = defineTask<Order>({
  name: 'order',
  title: { de: 'Reihenfolgen', en: 'Putting in order' },
  difficulties: [
    { level: 1, meaning: { de: 'eine von fünf Zahlen', en: 'one of five numbers' } },
    { level: 2, meaning: { de: 'eine von sechs Zahlen', en: 'one of six numbers' } },
    { level: 3, meaning: { de: 'Hinweise auf sechs Personen', en: 'clues about six people' } },
    { level: 4, meaning: { de: 'Hinweise auf acht Personen', en: 'clues about eight people' } },
  ],
  defaultDifficulty: 2,
  phrases: [
    ...phrasesOf(...Object.values(wording).flatMap(({ numbers, clue, question }) => [...numbers, clue, ...question])),
    ...[...Object.values(adjectives)].flatMap((one) => Object.values(one).flat()),
    ...Object.values(ordinals).flat().filter((one) => one !== ''), ...Object.values(extremes).flat(),
    ...names, comma,
  ],

  // Sets of numbers times the places asked for (not the very first and last); rows of people times all places.
  instances(difficulty) {
    const { kind, size } = levels[difficulty]!;
    let count = kind === 'numbers' ? size - 2 : size;
    for (let i = 0; i < size; i++) count *= kind === 'numbers' ? (largest - smallest + 1 - i) / (i + 1) : names.length - i;
    return Math.round(count);
  },

  draw(rng, difficulty) {
    const { kind, size } = levels[difficulty]!;
    const half = Math.ceil(size / 2);
    const fromTop = rng.chance(0.5);
    if (kind === 'numbers') {
      return { kind, numbers: distinct(rng, size), place: { nth: rng.integer(2, half), fromTop } };
    }
    const row = rng.shuffle(names).slice(0, size);
    const clues = rng.shuffle(row.slice(1).map((_, above) => above)).map((above) => ({ above, turned: rng.chance(0.5) }));
    return { kind, order: row, clues, quality: rng.pick(qualities), place: { nth: rng.integer(1, half), fromTop } };
  },
  // The place counts from the top, so that the middle has one key only.
  key(data) {
    const row = sorted(data);
    return `${row.join(' ')} ${data.place.fromTop ? data.place.nth : row.length + 1 - data.place.nth}`;
  },

  prompt(data, language, rng) {
    const texts = wording[language];
    const nth = ordinals[language][data.place.nth - 1]!, end = data.place.fromTop ? 0 : 1;
    if (data.kind === 'numbers') {
      return fill(rng.pick(texts.numbers), { nth, extreme: extremes[language][end], list: data.numbers.join(comma) });
    }
    const words = adjectives[language][data.quality];
    const clues = data.clues.map(({ above, turned }) => {
      const [a, b] = turned ? [data.order[above + 1]!, data.order[above]!] : [data.order[above]!, data.order[above + 1]!];
      return fill(texts.clue, { a, b, comparative: words[turned ? 1 : 0] });
    });
    return clues.join('') + fill(rng.pick(texts.question), { nth, superlative: words[2 + end]! });
  },
  answer: (data) => picked(data).at(-1)!,

  solve: ({ data, answer }, _, manner = 'paper') => ({
    thinking: (manner === 'head' ? inHead(data) : data.kind === 'numbers' ? numberSteps(data) : peopleSteps(data)).join(' '), answer,
  }),

  verify: (problem, answer) => plainAnswer(answer).toLowerCase() === problem.answer.toLowerCase(),
  guess: ({ data }, rng) => String(rng.pick<string | number>(data.kind === 'numbers' ? data.numbers : data.order)),
});

function distinct(rng: RandomStream, size: number): number[] {
  const numbers = new Set<number>();
  while (numbers.size < size) numbers.add(rng.integer(smallest, largest));
  return [...numbers];
}

/** From the greatest to the smallest. */
function sorted(data: Order): string[] {
  return data.kind === 'people' ? [...data.order] : [...data.numbers].sort((a, b) => b - a).map(String);
}

/** What stands in order from the end asked for, up to the place wanted. */
function picked(data: Order): string[] {
  const row = sorted(data);
  return (data.place.fromTop ? row : row.reverse()).slice(0, data.place.nth);
}

/** Each number with the best ones up to it. */
function numberSteps({ numbers, place: { nth, fromTop } }: Numbers): string[] {
  let best: number[] = [];
  return numbers.map((number, i) => {
    best = [...best, number].sort((a, b) => (fromTop ? b - a : a - b)).slice(0, nth);
    return (i === 0 ? '' : `${number}:`) + best.join(fromTop ? '>' : '<');
  });
}

/** The smallest, the second smallest … at once: `30<51` */
function inHead(data: Order): string[] {
  return data.kind === 'numbers' ? [picked(data).join(data.place.fromTop ? '>' : '<')] : picked(data).map((name, i) => `${i + 1}:${name}`);
}

function peopleSteps(data: People): string[] {
  const facts = data.clues.map(({ above }) => `${data.order[above]}>${data.order[above + 1]}`);
  return [...facts, ...picked(data).map((name, i) => `${i + 1}:${name}`)];
}
