// The rules of the house (docs/architecture.md), checked: imports go one way, every op, architecture, task, method,
// route and command is listed, files have heads and stay short, nothing is called utils.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const src = join(root, 'src');
const files = readdirSync(src, { recursive: true }).map(String).filter((f) => f.endsWith('.ts')).sort();
const sources = files.filter((f) => !f.endsWith('.test.ts'));
const text = (file: string): string => readFileSync(join(src, file), 'utf8');
const roomOf = (file: string): string => (file.includes('/') ? file.split('/')[0]! : '');

/** Which rooms a room may import from, beside itself and the files at the root of src. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  ledger: [], tokenizer: [], corpus: ['ledger', 'tokenizer'], engine: ['ledger'],
  runs: ['ledger'],
  models: ['engine', 'tokenizer', 'ledger'],
  reasoning: ['models', 'engine', 'tokenizer', 'ledger'],
  evaluation: ['reasoning', 'models', 'engine', 'tokenizer', 'ledger'],
  training: ['runs', 'evaluation', 'reasoning', 'models', 'engine', 'tokenizer', 'corpus', 'ledger'],
  serving: ['runs', 'evaluation', 'reasoning', 'models', 'engine', 'tokenizer', 'corpus', 'ledger'],
  dossier: ['ledger'],
  cli: ['serving', 'dossier', 'training', 'runs', 'evaluation', 'reasoning', 'models', 'engine', 'tokenizer', 'corpus', 'ledger'],
};

test('imports go one way', () => {
  const wrong: string[] = [];
  for (const file of files) {
    for (const [, from] of text(file).matchAll(/from '(\.[^']+)'|import\('(\.[^']+)'\)/g)) {
      if (from === undefined) continue;
      const target = relative(src, resolve(src, dirname(file), from));
      const [room, other] = [roomOf(file), roomOf(target)];
      if (other === room || other === '' || target.startsWith('..')) continue;
      if (room === '' || !mayImport[room]?.includes(other)) wrong.push(`${file} imports ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('every op, architecture, task, method and route is listed', () => {
  const listed: [folder: string, index: string, what: RegExp][] = [
    ['engine/ops', 'engine/ops/index.ts', /^export const \w+: Op = \{/m],
    ['models', 'models/index.ts', /^export const \w+: Architecture = /m],
    ['reasoning/tasks', 'reasoning/tasks/index.ts', /= defineTask(<[^>]*>)?\(/],
    ['training', 'training/methods.ts', /^export const \w+ = defineMethod\(/m],
    ['serving/routes', 'serving/routes/index.ts', /^export const \w+: Route = \{/m],
  ];
  for (const [folder, index, what] of listed) {
    const own = sources.filter((f) => dirname(f) === folder && f !== index && what.test(text(f)));
    assert.ok(own.length > 0, `nothing found in ${folder}`);
    for (const file of own) assert.match(text(index), new RegExp(`'\\./${basename(file).replaceAll('.', '\\.')}'`), `${file} is not listed in ${index}`);
  }
});

test('files have a head that says what they are for, and stay under 600 lines', () => {
  for (const file of sources) {
    assert.match(text(file), /^(#![^\n]*\n)?(\/\/|\/\*\*)/, `${file} has no head`);
    assert.ok(text(file).split('\n').length <= 600, `${file} has more than 600 lines`);
    assert.doesNotMatch(basename(file), /^(utils?|helpers?|manager)\.ts$/, `${file} has a name that says nothing`);
    assert.doesNotMatch(text(file), /export default/, `${file} has a default export`);
  }
});

test('the page: names, heads, sizes, and nothing but types from the server', () => {
  const studio = join(root, 'studio');
  for (const file of readdirSync(studio, { recursive: true }).map(String).filter((f) => /\.(tsx?|css)$/.test(f))) {
    const content = readFileSync(join(studio, file), 'utf8');
    assert.match(basename(file), /^[a-z0-9-]+(\.d)?\.(tsx?|css)$/, `${file} is no kebab-case`);
    if (!file.endsWith('fonts.css')) assert.match(content, /^(\/\/|\/\*)/, `${file} has no head`);
    assert.ok(content.split('\n').length <= 300, `${file} is long`);
    assert.doesNotMatch(content, /export default/, `${file} has a default export`);
    for (const [line] of content.matchAll(/^.*from '[./]*\/src\/.*$/gm)) assert.match(line, /^(import|export) type /, `${file} takes more than types from the server`);
    assert.doesNotMatch(content.replaceAll('http://www.w3.org', ''), /https?:\/\//, `${file} names another host`);
  }
});
