// Prints answers and what our verifiers give for them, one JSON line each, for reward.py of a handover to be compared with:
// right ones, wrong ones, and broken ones, of every family and every verifier of files.

import { RandomStream } from '../../src/engine/random.ts';
import { drawProblem } from '../../src/reasoning/problems.ts';
import { tasks } from '../../src/reasoning/tasks/index.ts';
import type { Problem, Task } from '../../src/reasoning/tasks/index.ts';
import { reward } from '../../src/reasoning/thinking.ts';
import { type VerifierName, verifierNames, verifiers } from '../../src/reasoning/verifiers.ts';
import { problemRow } from '../../src/training/handover/trl-grpo.ts';

const random = new RandomStream(7, 1);
const mangled = (answer: string): string[] => [
  answer, ` ${answer}.`, `${answer} .`, `${answer}..`, answer.toUpperCase(), `${answer}x`, `The answer is ${answer}`, '', '.', `\u00a0${answer}\n`, `(${answer})`, `(${answer}`, `${answer}+0`, `${answer}/0`, `${answer}//1`,
  `0${answer}`, `-${answer}`, answer.split('').reverse().join(''), answer.replace(/\d$/, '9'), answer.slice(0, -1), `1,${answer}`, `${answer}.5`, `${answer}.0`, `ü${answer}`,
];
const wrapped = (answer: string): string[] => [answer, `<think>a thought</think>${answer}`, ` <think>\n1</think>\n ${answer}`, `<think>open ${answer}`, `<think></think>${answer}</think>`, `x<think>1</think>${answer}`];

function print(task: Task, problem: Problem, verifier?: VerifierName): void {
  const { prompt: _, ...row } = problemRow({ task, problem, family: 0, random }, verifier);
  const other = task.guess(problem, random);
  for (const answer of [...mangled(problem.answer), other, ...(row.numbers.length > 0 ? [row.numbers.join('+'), row.numbers.join('*')] : [])]) {
    for (const text of wrapped(answer)) console.log(JSON.stringify({ text, ...row, reward: reward(task, problem, text) }));
  }
}

for (const { name, difficulties } of tasks) for (const { level } of difficulties) for (let i = 0; i < 4; i++) {
  const { task, problem } = drawProblem({ tasks: [{ task: name, difficulty: level, weight: 1 }], languages: ['de', 'en'] }, 5, i, 'train');
  print(task, problem);
}
const asked: Readonly<Record<VerifierName, readonly [prompt: string, answer: string]>> = { exact: ['?', 'Straße 7'], choice: ['?', 'Ja'], last_number: ['?', 'so 1,234 and then 42'], digit_sequence: ['8,3:9,4', ''] };
for (const verifier of verifierNames) for (const thinks of [true, false]) {
  const [prompt, said] = asked[verifier], judge = verifiers[verifier], answer = judge.expected(prompt, said);
  const task = { name: 'file', thinks, guess: () => '41', verify: (p: Problem, content: string) => judge.verify(p.answer, content), partial: (p: Problem, content: string) => ('partial' in judge ? judge.partial(p.answer, content) : 0) } as unknown as Task;
  print(task, { task: 'file', id: '', difficulty: 1, language: 'en', prompt, answer, data: null }, verifier);
}
