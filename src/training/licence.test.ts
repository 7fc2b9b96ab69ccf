// The licence goes with a model wherever it goes: through training, into a folder, into a GGUF file and out of it again.

import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openBackend } from '../engine/backends/open.ts';
import { temporaryHome } from '../ledger/testing/sample-run.ts';
import { trainNew } from './train.ts';
import { exportFolder } from '../models/export-folder.ts';
import { exportGguf } from '../models/export-gguf.ts';
import { openExportSource } from '../models/export-source.ts';
import { derivedFiles, licenceFiles, licenceOf } from '../models/licence.ts';
import { listModels } from '../models/list-models.ts';

const real = fileURLToPath(new URL('../../test/data/tiny-rl-arithmetic-sequence', import.meta.url)), home = temporaryHome(), backend = openBackend();
after(() => backend.close());

/** The real tiny model as it was pulled: under a licence that only the record says, with a text and the card of its maker. */
function pulled(): string {
  const folder = join(home, 'models/pulled');
  cpSync(real, folder, { recursive: true });
  writeFileSync(join(folder, 'LICENSE'), 'Use it on Sundays.\n');
  writeFileSync(join(folder, 'README.md'), '---\ntags: [sums]\n---\nThe best model.\n');
  writeFileSync(join(folder, 'source.json'), JSON.stringify({ source: 'hf:house/pulled', revision: null, licence: 'sunday-1.0', added: '2026-11-28', files: [] }));
  return folder;
}

async function gguf(from: string, to: string, licence: string | undefined): Promise<void> {
  const source = openExportSource(from);
  try { await exportGguf(source, to, 'F32', { licence }); } finally { source.close(); }
}

async function folderOf(from: string, to: string): Promise<string> {
  const source = openExportSource(from);
  try { await exportFolder(source, to, 'F32'); } finally { source.close(); }
  return to;
}

const textOf = (folder: string, name: string): string => readFileSync(join(folder, name), 'utf8');

test('a run has the licence of what it grew from, with its texts and a card of its own; so has what grows from the run', async () => {
  const base = pulled(), problems = '[{task: arithmetic, difficulty: 1}]';
  const train = (name: string, from: string): Promise<unknown> => trainNew(`name: ${name}\nwhy: a test\nmodel: {from: ${from}}\nlora: {rank: 2}\nstages: [{method: sft, data: {tasks: ${problems}}, steps: 1, batch: 2, micro_tokens: 512, optimizer: {lr: 0.001}, schedule: {warmup: 0}}]\n`, name, home, { backend, home });
  await train('first', base);
  await train('second', 'first');
  for (const [name, from] of [['first', 'hf:house/pulled'], ['second', 'first']]) {
    const final = join(home, 'runs', name!, 'final');
    assert.deepEqual([licenceOf(final), textOf(final, 'LICENSE'), textOf(final, 'README.md')], ['sunday-1.0', 'Use it on Sundays.\n', `---\nlicense: sunday-1.0\n---\n\nMade with tiefsuche from ${from}.\n`]);
  }
  assert.deepEqual(listModels(home).map((m) => [m.name, m.licence]), [['first', 'sunday-1.0'], ['second', 'sunday-1.0'], ['pulled', 'sunday-1.0']]);
});

test('a folder keeps texts and card, and the card says what only the record said', async () => {
  const out = await folderOf(pulled(), join(home, 'out'));
  assert.deepEqual([textOf(out, 'LICENSE'), textOf(out, 'README.md'), licenceOf(out)], ['Use it on Sundays.\n', '---\nlicense: sunday-1.0\ntags: [sums]\n---\nThe best model.\n', 'sunday-1.0']);
});

test('from GGUF to a folder: the licence inside the file, texts beside it only where they came with it', async () => {
  const alone = join(home, 'alone'), beside = join(home, 'models/beside');
  for (const folder of [alone, beside]) {
    mkdirSync(folder, { recursive: true });
    await gguf(real, join(folder, 'm.gguf'), 'mit');
    writeFileSync(join(folder, 'LICENSE'), 'Of the one who gave it.\n');
  }
  writeFileSync(join(beside, 'source.json'), JSON.stringify({ source: 'pypi:m', revision: '1', licence: 'mit', added: '2026-11-28', files: [{ name: 'm.gguf', bytes: 1, sha256: '' }] }));
  const [a, b] = [await folderOf(join(alone, 'm.gguf'), join(home, 'a')), await folderOf(join(beside, 'm.gguf'), join(home, 'b'))];
  assert.deepEqual([licenceOf(a), existsSync(join(a, 'LICENSE'))], ['mit', false]);
  assert.deepEqual([licenceOf(b), textOf(b, 'LICENSE')], ['mit', 'Of the one who gave it.\n']);
});

test('a model that says nothing gets no licence', () => {
  const silent = join(home, 'silent');
  mkdirSync(silent);
  assert.deepEqual([licenceFiles(silent), derivedFiles(silent)['README.md']], [{}, '\nMade with tiefsuche from silent.\n']);
});
