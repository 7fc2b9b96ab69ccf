// Problems from files: what is read, and how answers are judged.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { reward } from '../src/reasoning/thinking.ts';
import { digitSequence, verifiers } from '../src/reasoning/verifiers.ts';
import { textSide } from '../src/models/language-model.ts';
import { longestPrompt, problemPrompt } from '../src/reasoning/problems.ts';
import { taskTokenizer } from '../src/reasoning/task-tokenizer.ts';
import { taskNamed } from '../src/reasoning/tasks/index.ts';
import { packBatches } from '../src/training/batches.ts';
import { fileTask } from '../src/training/file-task.ts';

const recipes = fileURLToPath(new URL('../recipes/', import.meta.url));

test('digit sequences are continued modulo their last number but one', () => {
  assert.equal(digitSequence('8,3:9,4'), '7,2,6,1');
  assert.equal(digitSequence('1,2:6,5'), '3,4,5,0,1');
  assert.equal(digitSequence('3,3:9,0'), '');
  assert.throws(() => digitSequence('3;3'), /not a digit sequence/);
});

test('numbers are compared as numbers, texts as texts', () => {
  const { last_number: number, exact } = verifiers;
  const expected = number.expected('', 'He has 3 + 4 = 7.\n#### 1,007');
  assert.equal(expected, '1007');
  assert.ok(number.verify(expected, 'So it is 1007.0 in all.'));
  assert.ok(!number.verify(expected, '1007 of 1008'));
  assert.ok(!number.verify(expected, 'no idea'));
  assert.ok(exact.verify(exact.expected('', ' Berlin. '), 'Berlin'));
  assert.throws(() => exact.expected('', undefined), /no answer/);
});

test('rows of Parquet and JSON lines are problems; train and test come from their files', async () => {
  const digits = await fileTask({ task: 'digits', file: 'data/digit-sequence/train.parquet', test_file: 'data/digit-sequence/test.parquet', verifier: 'digit_sequence' }, recipes);
  const first = digits.generate({ seed: 1, index: 0, difficulty: 1, language: 'en', split: 'test' });
  assert.deepEqual([first.prompt, first.answer], ['7,7:9,4', '7,7,7,7']);
  assert.equal(reward(digits, first, '7,7,7,7'), 1);
  assert.ok(Math.abs(reward(digits, first, '7,7,8') - 0.9 * 4 / 7) < 1e-12, 'a right beginning is worth its share');
  const folder = mkdtempSync(join(tmpdir(), 'tiefsuche-rows-'));
  try {
    writeFileSync(join(folder, 'a.jsonl'), '{"question":"2+3?","answer":"5"}\n');
    const sums = await fileTask({ task: 'sums', file: 'a.jsonl', verifier: 'last_number', thinking: true }, folder);
    const problem = sums.generate({ seed: 1, index: 7, difficulty: 1, language: 'en', split: 'train' });
    assert.equal(reward(sums, problem, 'It is 5'), 0, 'the thought is missing');
    assert.equal(reward(sums, problem, '<think>2+3=5</think>It is 5'), 1);
    await assert.rejects(fileTask({ task: 'x', file: 'b.jsonl' }, folder), /there is no data file/);
  } finally { rmSync(folder, { recursive: true, force: true }); }
});

test('the longest row of a file is planned for, wherever it stands; an example that was not is refused in words', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tiefsuche-rows-')), text = textSide({ ...taskTokenizer([taskNamed('arithmetic')]), generationConfig: {} });
  try {
    const rows = Array.from({ length: 900 }, (_, i) => JSON.stringify({ question: Array.from({ length: i === 777 ? 150 : 5 }, (__, j) => (i + j) % 10).join('+'), answer: '7' }));
    writeFileSync(join(folder, 'a.jsonl'), rows.join('\n'));
    const source = await fileTask({ task: 'sums', file: 'a.jsonl' }, folder), mix = { tasks: [{ task: 'sums', weight: 1, source }], languages: ['en' as const] };
    const length = problemPrompt(text, source.generate({ seed: 1, index: 777, difficulty: 1, language: 'en', split: 'test' })).length;
    assert.ok(length > 150);
    assert.equal(longestPrompt(text, mix, 1, 'train'), length + 8);
  } finally { rmSync(folder, { recursive: true, force: true }); }
  assert.throws(() => packBatches([{ ids: new Int32Array(40), from: 3 }], { coefficient: 1, limits: { tokens: 30 } }), /an example of 40 tokens came, and memory was planned for 30/);
});
