// A file of which some rows are wrong: what can be said is said, each wrong row is named, training refuses the file.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryHome } from '../ledger/testing/sample-run.ts';
import { openModelFiles } from '../models/load.ts';
import { textSide } from '../models/language-model.ts';
import { dialogueOf } from './dialogue.ts';
import { dialogueExamples } from './dialogue-examples.ts';
import { inspectData, readDialogues } from './data-report.ts';
import { readRows } from './rows-file.ts';

const side = textSide(openModelFiles(fileURLToPath(new URL('../../test/fixtures/thinker', import.meta.url)))), folder = temporaryHome();
const fileOf = (name: string, text: string): string => { const path = join(folder, name); writeFileSync(path, text); return path; };

test('bad rows are named with their line, and the others counted', async () => {
  const path = fileOf('mixed.jsonl', [
    '{"question":"In 3 days?","answer":"Monday"}', '', '{"question": "cut', 'null', '[1]', '{"messages":[{"role":"user","content":"x"}]}',
    '{"messages":[{"role":"user","content":[{"type":"text","text":"Today is "},{"type":"text","text":"Friday."}]},{"role":"assistant","content":"Friday"}]}',
    '{"messages":[{"role":"user","content":[{"type":"image_url","image_url":"x"}]},{"role":"assistant","content":"Friday"}]}',
  ].join('\n'));
  const { report, examples } = await inspectData(side, path);
  assert.equal(report.rows, 7);
  assert.deepEqual(report.forms, { 'question-answer': 1, messages: 1 });
  assert.deepEqual(report.refused.map(({ where }) => Number(where.split('line ')[1])), [3, 4, 5, 6, 8]);
  for (const [i, why] of [/not JSON/, /is null, not an object/, /is an array/, /nobody answers/, /something other than text/].entries()) assert.match(report.refused[i]!.why, why);
  assert.deepEqual(examples.map(({ row }) => row), [1, 6]);
  const [whole] = dialogueExamples(side, dialogueOf({ question: 'Today is Friday.', answer: 'Friday' }, 'here'), 'here');
  assert.deepEqual([...examples[1]!.example.ids], [...whole!.ids], 'texts in parts are one text');
  await assert.rejects(readDialogues(path), { code: 'INPUT', message: /line 3 is not JSON/ });
});

test('a file without one good row, or of another form, is refused', async () => {
  await assert.rejects(inspectData(side, fileOf('bad.jsonl', 'null\n7\n')), { code: 'INPUT', message: /line 1 is null, not an object/ });
  await assert.rejects(inspectData(side, fileOf('empty.jsonl', '\n')), { code: 'INPUT', message: /has no rows/ });
  await assert.rejects(readRows(fileOf('object.json', '{"prompt":"a"}')), { code: 'INPUT', message: /it is not an array/ });
  await assert.rejects(readRows(fileOf('one.json', '[{"prompt":"a"}, 3]')), { code: 'INPUT', message: /row 2 is a number, not an object/ });
});
