// Reads the prompts again as a person would, knowing nothing of the data behind them, and works the answers out another
// way: what is asked for in German and English must be what the verifier wants.
import test from 'node:test';
import assert from 'node:assert/strict';
import { evaluate, equals } from './expression.ts';
import { reachable } from './countdown.ts';
import { taskNamed, type Language, type Problem } from './index.ts';

function problemsOf(name: string, difficulties: readonly number[], count = 300): Problem[] {
  return difficulties.flatMap((difficulty) => (['de', 'en'] as const).flatMap((language) =>
    Array.from({ length: count }, (_, index) => taskNamed(name).generate({ seed: 21, index, difficulty, language, split: 'train' }))));
}

const numbersIn = (text: string): number[] => (text.match(/\d+/g) ?? []).map(Number);

test('sums', () => {
  for (const { prompt, answer } of problemsOf('arithmetic', [1, 2, 3, 4])) {
    const sum = /^(?:Berechne|Was ist|Wie viel ist|Compute|What is|How much is) ([-+\d]+)[.?]$/.exec(prompt);
    assert.ok(sum && equals(evaluate(sum[1]!)!.value, Number(answer)), prompt);
  }
});

test('countdown', () => {
  for (const { prompt, answer } of problemsOf('countdown', [1, 2, 3, 4])) {
    const list = /\d+(?:, \d+)+/.exec(prompt)![0];
    const [target] = numbersIn(prompt.replace(list, ''));
    const result = evaluate(answer)!;
    assert.ok(equals(result.value, target!), prompt);
    assert.deepEqual([...result.numbers].sort(), numbersIn(list).sort(), prompt);
  }
});

test('countdown accepts every right expression, each number used once, and no other', () => {
  const task = taskNamed('countdown');
  const data = { numbers: [18, 12, 7], target: 23, solution: '18+12-7' };
  const problem: Problem = { task: 'countdown', id: '', difficulty: 1, language: 'en', prompt: '', answer: data.solution, data };
  for (const right of ['18+12-7', '12+18-7', '18-7+12', '(18+12)-7', '18-(7-12)', '12 - 7 + 18']) assert.ok(task.verify(problem, right), right);
  for (const wrong of ['18+12', '23', '18+12-7+0', '18+5', '30-7', '18+12-7=23', '18+12+7', '187-12', '18+12-7-7+7']) {
    assert.ok(!task.verify(problem, wrong), wrong);
  }
});

test('countdown has as many problems as it says', () => {
  const choose = (size: number, largest: number): number[][] => (size === 0 ? [[]] : choose(size - 1, largest)
    .flatMap((set) => Array.from({ length: set.at(-1) ?? largest }, (_, i) => [...set, i + 1])));
  const count = (sets: number[][], difficulty: number): number => sets.reduce((sum, set) => sum + reachable(set, difficulty).size, 0);
  const { instances } = taskNamed('countdown');
  assert.equal(count(choose(3, 20), 1), instances(1));
  assert.equal(count(choose(4, 50), 2), instances(2));
  assert.equal(count(choose(3, 12), 3), instances(3));
  for (const [difficulty, sets] of [[4, choose(3, 50)], [5, choose(4, 20)]] as const) {
    const sample = sets.filter((_, i) => i % 29 === 0);   // in full: some ten seconds
    const estimate = count(sample, difficulty) * sets.length / sample.length;
    assert.ok(Math.abs(estimate / instances(difficulty) - 1) < 0.05, `${estimate} for difficulty ${difficulty}`);
  }
});

const weekday = (date: Date, language: Language): string =>
  date.toLocaleDateString(language === 'de' ? 'de-DE' : 'en-GB', { weekday: 'long', timeZone: 'UTC' });

test('weekdays so many days from now', () => {
  const monday = Date.UTC(2024, 0, 1);
  for (const { prompt, answer, language } of problemsOf('calendar', [1, 2, 3])) {
    const from = [0, 1, 2, 3, 4, 5, 6].find((day) => prompt.includes(weekday(new Date(monday + day * 864e5), language)))!;
    const back = /(war vor|früher|vor einem|ago|earlier|before)/.test(prompt);
    const [days] = numbersIn(prompt);
    const to = (((from + (back ? -1 : 1) * days!) % 7) + 7) % 7;
    assert.equal(answer, weekday(new Date(monday + to * 864e5), language), prompt);
  }
});

test('weekdays of dates', () => {
  const months = (language: Language): string[] => Array.from({ length: 12 }, (_, month) =>
    new Date(Date.UTC(2024, month)).toLocaleDateString(language === 'de' ? 'de-DE' : 'en-GB', { month: 'long', timeZone: 'UTC' }));
  for (const { prompt, answer, language } of problemsOf('calendar', [4])) {
    const dates = [...prompt.matchAll(/(\d+)\.? (\p{L}+) (20\d\d)/gu)].map(([, day, month, year]) =>
      new Date(Date.UTC(Number(year), months(language).indexOf(month!), Number(day))));
    assert.equal(dates.length, 2, prompt);
    assert.match(prompt, new RegExp(` ${weekday(dates[0]!, language)}\\. `));
    assert.equal(answer, weekday(dates[1]!, language), prompt);
  }
});

function ordinal(text: string): number {
  if (/zweit|second/.test(text)) return 2;
  if (/dritt|third/.test(text)) return 3;
  return /viert|fourth/.test(text) ? 4 : 1;
}
const downwards = /kleinst|smallest|shortest|jüngst|youngest|langsamst|slowest/;

test('one of several numbers', () => {
  for (const { prompt, answer } of problemsOf('order', [1, 2])) {
    const row = numbersIn(prompt).sort((a, b) => (downwards.test(prompt) ? a - b : b - a));
    assert.equal(row[ordinal(prompt) - 1], Number(answer), prompt);
  }
});

test('clues about people', () => {
  for (const { prompt, answer } of problemsOf('order', [3, 4])) {
    const smallerOnes = new Map<string, string[]>();
    for (const [, a, how, b] of prompt.matchAll(/(\w+) (?:ist|is) (\p{L}+) (?:als|than) (\w+)\./gu)) {
      const [great, small] = /größer|taller|älter|older|schneller|faster/.test(how!) ? [a!, b!] : [b!, a!];
      smallerOnes.set(great, [...(smallerOnes.get(great) ?? []), small]);
      smallerOnes.set(small, smallerOnes.get(small) ?? []);
    }
    const below = (name: string): number => smallerOnes.get(name)!.reduce((sum, other) => sum + 1 + below(other), 0);
    const row = [...smallerOnes.keys()].sort((a, b) => below(b) - below(a));
    const question = prompt.slice(prompt.lastIndexOf('. ') + 2);
    assert.equal((downwards.test(question) ? row.reverse() : row)[ordinal(question) - 1], answer, prompt);
  }
});

test('the wording, one of each', () => {
  const first = (name: string, difficulty: number, language: Language): string =>
    taskNamed(name).generate({ seed: 5, index: 2, difficulty, language, split: 'train' }).prompt;
  const prompts = ['countdown', 'arithmetic', 'calendar', 'order'].flatMap((name) => [2, 4].flatMap((difficulty) =>
    [first(name, difficulty, 'de'), first(name, difficulty, 'en')]));
  assert.deepEqual(prompts, [
    'Erreiche 55 mit 41, 31, 29, 12.',
    'Reach 55 with 41, 31, 29, 12.',
    'Bilde 12 aus 24, 13, 1.',
    'Make 12 from 24, 13, 1.',
    'Wie viel ist 898+21-20?',
    'How much is 898+21-20?',
    'Was ist 9659+9616+1855-6702?',
    'What is 9659+9616+1855-6702?',
    'Heute ist Mittwoch. Welcher Wochentag war vor 614 Tagen?',
    'Today is Wednesday. Which weekday was it 614 days ago?',
    'Der 3. Januar 2092 ist ein Donnerstag. Welcher Wochentag ist der 16. Juni 2092?',
    '3 January 2092 is a Thursday. Which weekday is 16 June 2092?',
    'Welche Zahl ist die drittkleinste: 19, 32, 20, 59, 37, 24?',
    'Which number is the third smallest: 19, 32, 20, 59, 37, 24?',
    'Lena ist langsamer als Emma. Rosa ist langsamer als Felix. Felix ist langsamer als Clara. Lena ist schneller als Anna. '
      + 'Ben ist langsamer als Rosa. Anna ist schneller als Clara. Emma ist langsamer als Tim. Wer ist am langsamsten?',
    'Lena is slower than Emma. Rosa is slower than Felix. Felix is slower than Clara. Lena is faster than Anna. '
      + 'Ben is slower than Rosa. Anna is faster than Clara. Emma is slower than Tim. Who is the slowest?',
  ]);
});
