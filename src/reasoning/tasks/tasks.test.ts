// One loop over all tasks, difficulties and languages, as the promises are the same for each.
import test from 'node:test';
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { RandomStream } from '../../engine/random.ts';
import { formatThought } from '../thinking.ts';
import { splitOf, taskNamed, tasks, tokeniser, vocabulary, type Language, type Problem, type Task } from './index.ts';

const problems = 2000;
const languages: readonly Language[] = ['de', 'en'];
const weekdays: Readonly<Record<Language, readonly string[]>> = {
  de: ['Montag', 'Dienstag', 'Mittwoch', 'Donnerstag', 'Freitag', 'Samstag', 'Sonntag'],
  en: ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'],
};

function* series(task: Task, difficulty: number, language: Language, count: number): Generator<Problem> {
  for (let index = 0; index < count; index++) {
    yield task.generate({ seed: 7, index, difficulty, language, split: index % 8 === 0 ? 'test' : 'train' });
  }
}

/** Reads a statement of a demonstration again, by other means than those that wrote it; undefined where it is none. */
function isTrue(statement: string, problem: Problem): boolean | undefined {
  let match = /^(-?\d+)([-+*/])(\d+)=(-?\d+)$/.exec(statement);
  if (match) {
    const [x, y, result] = [Number(match[1]), Number(match[3]), Number(match[4])];
    return { '+': x + y, '-': x - y, '*': x * y, '/': x / y }[match[2]!] === result;
  }
  if (/^\p{L}+[-+]\d=/u.test(statement)) {
    const days = statement.split('=').map((part) => {
      const [, name, by] = /^(\p{L}+)([-+]\d)?$/u.exec(part)!;
      return (weekdays[problem.language].indexOf(name!) + Number(by ?? 0) + 7) % 7;
    });
    return new Set(days).size === 1;
  }
  match = /^(\p{L}+)>(\p{L}+)$/u.exec(statement);
  if (match) {
    const { order } = problem.data as { order: string[] };
    return order.indexOf(match[1]!) + 1 === order.indexOf(match[2]!);
  }
  match = /^(\d):(\p{L}+)$/u.exec(statement);
  if (match) {
    const { order, place } = problem.data as { order: string[]; place: { fromTop: boolean } };
    return order.at(place.fromTop ? Number(match[1]) - 1 : -Number(match[1])) === match[2];
  }
  match = /^(?:(\d\d):)?(\d\d(?:[<>]\d\d)*)$/.exec(statement);
  if (match && problem.task === 'order') {
    const { numbers, place } = problem.data as { numbers: number[]; place: { nth: number; fromTop: boolean } };
    const named = match[2]!.split(/[<>]/).map(Number);
    const atOnce = match[1] === undefined && named.length > 1;   // in the head: all numbers are looked at together
    const seen = atOnce ? numbers : numbers.slice(0, match[1] === undefined ? 1 : numbers.indexOf(Number(match[1])) + 1);
    const others = seen.filter((number) => !named.includes(number));
    return named.length === Math.min(place.nth, seen.length) && !match[2]!.includes(place.fromTop ? '<' : '>')
      && named.every((number, i) => seen.includes(number) && [...named.slice(i + 1), ...others]
        .every((other) => (place.fromTop ? number > other : number < other)));
  }
  return undefined;
}

/** Statements of the thinking, without the bare years, months and digits between them. */
function checkThinking(thinking: string, problem: Problem): number {
  let count = 0;
  for (const part of thinking.split(' ')) {
    const [statement, soFar] = part.split(';') as [string, string?];
    if (soFar !== undefined) {
      const total = problem.answer.padStart(soFar.length, '0');
      assert.ok(total.endsWith(soFar), `${soFar} is no end of ${total}: ${thinking}`);
    }
    const truth = isTrue(statement, problem);
    if (truth === undefined) assert.match(statement, /^(\d|20\d\d|\p{Lu}\p{Ll}+)$/u, `what is ${statement} in ${thinking}?`);
    else assert.ok(truth, `${statement} is false in ${thinking} for ${problem.prompt}`);
    if (truth !== undefined) count++;
  }
  return count;
}

test('every task file is listed', () => {
  const notTasks = ['index.ts', 'task.ts', 'expression.ts'];
  const files = readdirSync(import.meta.dirname).filter((file) => !file.endsWith('.test.ts') && !notTasks.includes(file));
  assert.deepEqual(files.map((file) => file.replace(/\.ts$/, '')).sort(), tasks.map(({ name }) => name).sort());
});

test('the closed vocabulary is small and has no piece twice', () => {
  const pieces = vocabulary();
  assert.equal(new Set(pieces).size, pieces.length);
  assert.ok(pieces.length >= 100 && pieces.length <= 300, `${pieces.length} pieces`);
});

for (const task of tasks) {
  for (const { level, meaning } of task.difficulties) {
    test(`${task.name} ${level}: ${meaning.en}`, (t) => {
      const tokens = tokeniser();
      const lengths: number[] = [], promptLengths: number[] = [];
      let guessed = 0, statements = 0;
      for (const language of languages) {
        let index = 0;
        for (const problem of series(task, level, language, problems)) {
          const { thinking, answer } = task.solve(problem, new RandomStream(7, index));
          const where = `${problem.prompt} ${formatThought(thinking, answer)}`;
          assert.ok(task.verify(problem, answer), where);
          assert.ok(task.verify(problem, ` ${problem.answer}.\n`), where);
          for (const wrong of ['', '?', `${answer}1`, `${answer}+1`, `1${answer}`, `${answer} ${answer}`, problem.prompt]) {
            assert.ok(!task.verify(problem, wrong), `accepts ${wrong}: ${where}`);
          }
          assert.equal(splitOf(problem.id), index % 8 === 0 ? 'test' : 'train');
          assert.ok(thinking.endsWith(task.name === 'countdown' ? `=${(problem.data as { target: number }).target}` : answer), where);
          statements += checkThinking(thinking, problem);
          const inHead = task.solve(problem, new RandomStream(7, index), 'head');
          assert.ok(task.verify(problem, inHead.answer), `${problem.prompt} ${inHead.thinking}`);
          checkThinking(inHead.thinking, problem);
          assert.ok(inHead.thinking.length <= thinking.length, `${inHead.thinking} is longer than ${thinking}`);
          lengths.push(tokens(formatThought(thinking, answer)).length);
          promptLengths.push(tokens(problem.prompt).length);
          if (task.verify(problem, task.guess(problem, new RandomStream(8, index)))) guessed++;
          index++;
        }
      }
      const mean = (values: number[]): string => (values.reduce((sum, value) => sum + value, 0) / values.length).toFixed(1);
      const share = guessed / lengths.length;
      t.diagnostic(`tokens: prompt ${mean(promptLengths)} (at most ${Math.max(...promptLengths)}), `
        + `thought with answer ${mean(lengths)} (at most ${Math.max(...lengths)}); `
        + `guessed ${(100 * share).toFixed(1)} %; ${task.instances(level).toExponential(1)} instances`);
      assert.ok(statements > lengths.length, 'more than one statement a problem on average');
      if (level === task.defaultDifficulty) {
        assert.ok(share <= 0.2, `${share} guessed`);
        assert.ok(task.instances(level) >= 1e6, `${task.instances(level)} instances`);
      }
    });
  }

  test(`${task.name}: the same request gives the same problem, German and English differ in the wording alone`, () => {
    for (const { level: difficulty } of task.difficulties) {
      const ids = new Set<string>();
      for (let index = 0; index < 50; index++) {
        const request = { seed: 3, index, difficulty, language: 'de', split: 'train' } as const;
        const problem = task.generate(request);
        assert.deepEqual(task.generate(request), problem);
        assert.deepEqual(task.solve(problem, new RandomStream(1)), task.solve(problem, new RandomStream(1)));
        const english = task.generate({ ...request, language: 'en' });
        assert.equal(english.id, problem.id);
        assert.deepEqual(english.data, problem.data);
        assert.notEqual(english.prompt, problem.prompt);
        assert.notEqual(task.generate({ ...request, seed: 4 }).id, problem.id);
        ids.add(problem.id);
      }
      assert.ok(ids.size >= 45, `${ids.size} different problems of 50`);
    }
  });

  test(`${task.name}: an unknown difficulty is refused`, () => {
    const request = { seed: 1, index: 0, difficulty: 99, language: 'en', split: 'train' } as const;
    assert.throws(() => task.generate(request), { code: 'CONFIG' });
  });
}

test('an unknown task is refused', () => assert.throws(() => taskNamed('juggling'), { code: 'NOT_FOUND' }));

test('one key in 16 is for testing', () => {
  let count = 0;
  for (let i = 0; i < 16_000; i++) if (splitOf(`key ${i}`) === 'test') count++;
  assert.ok(count > 900 && count < 1100, `${count} of 16000`);
});
