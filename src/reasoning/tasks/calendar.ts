// Which weekday is it so many days from now? Only the remainder by 7 counts, so the number of days is divided by hand,
// digit by digit, and what is left is counted off. 534 days after a Sunday:  53-49=4 44-42=2 Sunday+2=Monday+1=Tuesday
// From date to date: back to the day before 1 January (day of the month plus the days of the months before it), on from
// year to year (one weekday each, two for a leap year), and up again to the other date.

import { defineTask, fill, phrasesOf, plainAnswer, type Language, type PerLanguage, type Task } from './task.ts';
import type { RandomStream } from '../../engine/random.ts';

/** Weekdays count from Monday = 0. */
interface Span { readonly kind: 'span'; readonly from: number; readonly days: number; readonly before: boolean }
interface Dates { readonly kind: 'dates'; readonly first: Day; readonly second: Day }
interface Day { readonly year: number; readonly month: number; readonly day: number }
export type Calendar = Span | Dates;

const weekdays: PerLanguage<readonly string[]> = {
  de: ['Montag', 'Dienstag', 'Mittwoch', 'Donnerstag', 'Freitag', 'Samstag', 'Sonntag'],
  en: ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'],
};
const months: PerLanguage<readonly string[]> = {
  de: ['Januar', 'Februar', 'März', 'April', 'Mai', 'Juni', 'Juli', 'August', 'September', 'Oktober', 'November', 'Dezember'],
  en: ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'],
};
/** Days of the year before each month, modulo 7; from March on one more in a leap year. */
const monthOffset = [0, 3, 3, 6, 1, 4, 6, 2, 5, 0, 3, 5];

const wording: PerLanguage<{ after: readonly string[]; before: readonly string[]; dates: readonly string[] }> = {
  de: {
    after: [
      'Heute ist {day}. Welcher Wochentag ist in {n} Tagen?',
      'Welcher Wochentag liegt {n} Tage nach einem {day}?',
      'Es ist {day}. Welcher Wochentag ist {n} Tage später?',
    ],
    before: [
      'Heute ist {day}. Welcher Wochentag war vor {n} Tagen?',
      'Welcher Wochentag liegt {n} Tage vor einem {day}?',
      'Es ist {day}. Welcher Wochentag war {n} Tage früher?',
    ],
    dates: ['Der {d1}. {m1} {y1} ist ein {day}. Welcher Wochentag ist der {d2}. {m2} {y2}?'],
  },
  en: {
    after: [
      'Today is {day}. Which weekday is it in {n} days?',
      'Which weekday is {n} days after a {day}?',
      'It is {day}. Which weekday is it {n} days later?',
    ],
    before: [
      'Today is {day}. Which weekday was it {n} days ago?',
      'Which weekday is {n} days before a {day}?',
      'It is {day}. Which weekday was it {n} days earlier?',
    ],
    dates: ['{d1} {m1} {y1} is a {day}. Which weekday is {d2} {m2} {y2}?'],
  },
};

interface Level { readonly digits: readonly [number, number]; readonly before: boolean }
const levels: Readonly<Record<number, Level>> = {
  1: { digits: [2, 3], before: false }, 2: { digits: [3, 5], before: true }, 3: { digits: [6, 8], before: true },
};
const datesLevel = 4;
const firstDay = Date.UTC(2000, 0, 1), lastDay = Date.UTC(2099, 11, 31), millisecondsPerDay = 86_400_000;
const gap = [30, 1461] as const;   // days between two dates: up to four years
const starts = (lastDay - firstDay) / millisecondsPerDay + 1 - gap[1];

function dayAt(index: number): Day {
  const date = new Date(firstDay + index * millisecondsPerDay);
  return { year: date.getUTCFullYear(), month: date.getUTCMonth(), day: date.getUTCDate() };
}
const dayNumber = ({ year, month, day }: Day): number => Date.UTC(year, month, day) / millisecondsPerDay;
const weekdayOf = (day: Day): number => (dayNumber(day) + 3) % 7;   // 1 January 1970 was a Thursday
const isLeap = (year: number): boolean => year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);

const modulo7 = (value: number): number => ((value % 7) + 7) % 7;
const resultOf = (data: Calendar): number => (data.kind === 'span'
  ? modulo7(data.from + (data.before ? -1 : 1) * data.days) : weekdayOf(data.second));

export const calendar: Task<Calendar> = defineTask<Calendar>({
  name: 'calendar',
  title: { de: 'Wochentage', en: 'Weekdays' },
  difficulties: [
    { level: 1, meaning: { de: '10 bis 999 Tage später', en: '10 to 999 days later' } },
    { level: 2, meaning: { de: '100 bis 99.999 Tage später oder früher', en: '100 to 99,999 days later or earlier' } },
    { level: 3, meaning: { de: '100.000 bis 99.999.999 Tage später oder früher', en: '100,000 to 99,999,999 days later or earlier' } },
    { level: datesLevel, meaning: { de: 'von Datum zu Datum, mit Schaltjahren', en: 'from date to date, with leap years' } },
  ],
  defaultDifficulty: 2,
  phrases: [
    ...phrasesOf(...Object.values(wording).flatMap((texts) => Object.values(texts))),
    ...weekdays.de, ...weekdays.en, ...months.de, ...months.en,
  ],

  instances(difficulty) {
    if (difficulty === datesLevel) return starts * (gap[1] - gap[0] + 1);
    const { digits, before } = levels[difficulty]!;
    return 7 * (before ? 2 : 1) * (10 ** digits[1] - 10 ** (digits[0] - 1));
  },

  draw(rng, difficulty) {
    if (difficulty === datesLevel) {
      const start = rng.integer(0, starts - 1);
      return { kind: 'dates', first: dayAt(start), second: dayAt(start + rng.integer(...gap)) };
    }
    const { digits, before } = levels[difficulty]!;
    const length = rng.integer(...digits);
    const days = rng.integer(10 ** (length - 1), 10 ** length - 1);
    return { kind: 'span', from: rng.integer(0, 6), days, before: before && rng.chance(0.5) };
  },
  key: (data) => (data.kind === 'span'
    ? `${data.from}${data.before ? '-' : '+'}${data.days}` : `${dayNumber(data.first)} ${dayNumber(data.second)}`),

  prompt(data, language, rng) {
    const texts = wording[language];
    const weekday = weekdays[language], month = months[language];
    if (data.kind === 'span') {
      return fill(rng.pick(data.before ? texts.before : texts.after), { day: weekday[data.from]!, n: data.days });
    }
    const { first, second } = data;
    return fill(rng.pick(texts.dates), {
      day: weekday[weekdayOf(first)]!, d1: first.day, m1: month[first.month]!, y1: first.year,
      d2: second.day, m2: month[second.month]!, y2: second.year,
    });
  },
  answer: (data, language) => weekdays[language][resultOf(data)]!,

  solve({ data, language, answer }, _, manner = 'paper') {
    const steps = data.kind === 'dates' ? dateSteps(data, language) : manner === 'head' ? spanInHead(data, language) : spanSteps(data, language);
    return { thinking: steps.join(' '), answer };
  },

  verify: (problem, answer) => plainAnswer(answer).toLowerCase() === problem.answer.toLowerCase(),
  guess: ({ language }, rng: RandomStream) => rng.pick(weekdays[language]),
});

/** Counts day by day: `Sunday+3=Monday+2=Tuesday+1=Wednesday` */
function count(from: number, by: number, language: Language): string {
  const step = Math.sign(by);
  const days = [];
  for (let left = by; left !== 0; left -= step) {
    days.push(`${weekdays[language][modulo7(from + by - left)]}${step < 0 ? '-' : '+'}${Math.abs(left)}`);
  }
  return [...days, weekdays[language][modulo7(from + by)]].join('=');
}

/** Long division by 7: the first two digits, then what is left with the next digit behind it. */
function spanSteps({ from, days, before }: Span, language: Language): string[] {
  const digits = String(days);
  const steps: string[] = [];
  let left = Number(digits[0]);
  for (const digit of digits.slice(1)) {
    const part = 10 * left + Number(digit);
    left = part % 7;
    steps.push(`${part}-${part - left}=${left}`);
  }
  return [...steps, count(from, before ? -left : left, language)];
}

/** The whole division at once, and all days at once: `1304-1302=2 Tuesday-2=Sunday` */
function spanInHead({ from, days, before }: Span, language: Language): string[] {
  const left = days % 7, name = weekdays[language], to = name[modulo7(from + (before ? -left : left))]!;
  return [`${days}-${days - left}=${left}`, left === 0 ? to : `${name[from]}${before ? '-' : '+'}${left}=${to}`];
}

function dateSteps({ first, second }: Dates, language: Language): string[] {
  const [down, downBy] = dayOfYear(first, language);
  let weekday = weekdayOf(first);
  const steps = [...down, count(weekday, -downBy, language)];
  weekday = modulo7(weekday - downBy);
  for (let year = first.year; year < second.year; year++) {
    const days = isLeap(year) ? 2 : 1;
    steps.push(`${year} ${count(weekday, days, language)}`);
    weekday = modulo7(weekday + days);
  }
  const [up, upBy] = dayOfYear(second, language);
  return [...steps, ...up, count(weekday, upBy, language)];
}

/** Day of the year modulo 7, as steps and as a number. */
function dayOfYear({ year, month, day }: Day, language: Language): [string[], number] {
  const offset = monthOffset[month]! + (month >= 2 && isLeap(year) ? 1 : 0);
  const sum = day + offset;
  return [[`${year} ${months[language][month]} ${day}+${offset}=${sum}`, `${sum}-${sum - (sum % 7)}=${sum % 7}`], sum % 7];
}
