import test from 'node:test';
import assert from 'node:assert/strict';
import { formatThought, noThinking, reward, splitThought, ThoughtSplitter } from './thinking.ts';
import { RandomStream } from '../engine/random.ts';
import { taskNamed } from './tasks/index.ts';

const cases: [text: string, inside: boolean, thinking: string, content: string, closed: boolean][] = [
  ['<think>1+1=2</think>2', false, '1+1=2', '2', true],
  ['<think></think>2', false, '', '2', true],
  ['<think>\nhm \n</think>\n\nTwo words. ', false, 'hm \n', 'Two words. ', true],
  ['\n<think>a</think>b', false, 'a', 'b', true],
  ['1+1=2</think>2', true, '1+1=2', '2', true],
  ['<think>not yet', false, 'not yet', '', false],
  ['<think>a < b </thin', false, 'a < b </thin', '', false],
  ['<think>a<think>b</think>c', false, 'a<think>b', 'c', true],
  ['<think>a</think>b</think>c <think>d</think>', false, 'a', 'b</think>c <think>d</think>', true],
  ['no thought', false, '', 'no thought', false],
  ['so <think>late</think>', false, '', 'so <think>late</think>', false],
  ['<thin', false, '', '<thin', false],
  ['', false, '', '', false],
];

test('a text is taken apart into thinking and content', () => {
  for (const [text, inside, thinking, content, closed] of cases) {
    assert.deepEqual(splitThought(text, { inside }), { thinking, content, closed }, JSON.stringify(text));
  }
});

test('the same comes out however the text is cut into pieces', () => {
  const rng = new RandomStream(1);
  for (const [text, inside, thinking, content, closed] of cases) {
    for (let round = 0; round < 50; round++) {
      const splitter = new ThoughtSplitter({ inside });
      const got = { thinking: '', content: '' };
      for (let at = 0; at < text.length;) {
        const length = rng.integer(1, 1 + round % 5);
        const news = splitter.push(text.slice(at, at + length));
        got.thinking += news.thinking;
        got.content += news.content;
        at += length;
      }
      const rest = splitter.end();
      assert.deepEqual({ thinking: got.thinking + rest.thinking, content: got.content + rest.content, closed: splitter.closed },
        { thinking, content, closed }, JSON.stringify(text));
    }
  }
});

test('text is passed on at once unless it may be a tag', () => {
  const splitter = new ThoughtSplitter();
  assert.deepEqual(splitter.push('<think>1+1'), { thinking: '1+1', content: '' });
  assert.deepEqual(splitter.push('=2</th'), { thinking: '=2', content: '' });
  assert.deepEqual(splitter.push('ink>2'), { thinking: '', content: '2' });
  assert.deepEqual(splitter.push(' <'), { thinking: '', content: ' <' });
});

test('the reward asks for a closed thought and a right answer behind it', () => {
  const task = taskNamed('arithmetic');
  const problem = task.generate({ seed: 1, index: 0, difficulty: 1, language: 'en', split: 'train' });
  const { thinking, answer } = task.solve(problem, new RandomStream(1));
  assert.equal(reward(task, problem, formatThought(thinking, answer)), 1);
  assert.equal(reward(task, problem, noThinking() + answer), 1);
  assert.equal(reward(task, problem, `${thinking}</think>${answer}`, { inside: true }), 1);
  assert.equal(reward(task, problem, formatThought(thinking, `${answer}0`)), 0);
  assert.equal(reward(task, problem, formatThought(thinking, ' ')), 0);
  assert.equal(reward(task, problem, `<think>${thinking}${answer}`), 0);
  assert.equal(reward(task, problem, answer), 0);
});
