import { test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryHome } from '../ledger/testing/sample-run.ts';
import { resolveModelPath } from './model-path.ts';

test('a path comes before a run, a run before the models folder; what is missing or unfinished is said', () => {
  const home = temporaryHome(), here = temporaryHome();
  const model = (path: string): string => { mkdirSync(path, { recursive: true }); writeFileSync(join(path, 'config.json'), '{}'); return path; };
  const file = model(join(home, 'models', 'small'));
  assert.equal(resolveModelPath('small', here, home), file);
  const run = model(join(home, 'runs', 'small', 'final'));
  assert.equal(resolveModelPath('small', here, home), run);
  const path = model(join(here, 'small'));
  assert.equal(resolveModelPath('small', here, home), path);
  assert.equal(resolveModelPath(file, here, home), file);
  writeFileSync(join(home, 'models', 'one.gguf'), '');
  assert.equal(resolveModelPath('one.gguf', here, home), join(home, 'models', 'one.gguf'));
  mkdirSync(join(home, 'runs', 'begun'));
  writeFileSync(join(home, 'runs', 'begun', 'run.json'), '{}');
  assert.throws(() => resolveModelPath('begun', here, home), { code: 'NOT_FOUND', message: /no finished model yet/ });
  assert.throws(() => resolveModelPath('other', here, home), { code: 'NOT_FOUND', hint: /run name, a Hugging Face folder, or a GGUF file/ });
});
