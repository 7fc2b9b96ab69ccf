// The committed task from the building code is what its script makes of the law and the questions, and its answers are a
// closed set that test and training share.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chooseMetric, prepareData } from '../src/training/specialise.ts';

const source = fileURLToPath(new URL('../recipes/data/building-code', import.meta.url)), folder = mkdtempSync(join(tmpdir(), 'tiefsuche-building-code-'));
after(() => rmSync(folder, { recursive: true, force: true }));
cpSync(source, folder, { recursive: true });

const build = (): { status: number | null; stderr: string } => spawnSync(process.execPath, [join(folder, 'build.js')], { encoding: 'utf8' });

test('the script makes the committed files', () => {
  writeFileSync(join(folder, 'train.jsonl'), '');
  writeFileSync(join(folder, 'test.jsonl'), '');
  const { status, stderr } = build();
  assert.equal(status, 0, stderr);
  for (const file of ['train.jsonl', 'test.jsonl']) assert.equal(readFileSync(join(folder, file), 'utf8'), readFileSync(join(source, file), 'utf8'), file);
});

test('specialise finds 16 answers, and nothing twice or in the test too', async () => {
  const data = await prepareData(join(source, 'train.jsonl'), join(source, 'test.jsonl'));
  assert.deepEqual([data.train.length, data.test.length, data.removed], [400, 100, { duplicates: 0, inTest: 0 }]);
  assert.deepEqual(chooseMetric(data), { metric: 'choice', why: 'there are 16 different answers; always giving the commonest is right in 6 %' });
});

test('a question without its subsection, a test question taken from training and a word of no heading are refused', () => {
  const questions = readFileSync(join(source, 'questions.txt'), 'utf8');
  writeFileSync(join(folder, 'questions.txt'), questions.replace('8 Welche Prüfvorschriften', '88 Welche Prüfvorschriften'));
  assert.match(build().stderr, /§ 29 has no \(88\)/);
  writeFileSync(join(folder, 'questions.txt'), questions.replace('Acht Stockwerke und kein Aufzug: Ist das zulässig?', 'Ab welcher Höhe des Gebäudes ist ein Aufzug vorgeschrieben?'));
  assert.match(build().stderr, /too close to a training question/);
  writeFileSync(join(folder, 'questions.txt'), questions.replace('§ 28 Treppen', '§ 28 Leitern'));
  assert.match(build().stderr, /the heading of § 28 has no "Leitern"/);
});
