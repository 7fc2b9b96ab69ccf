// Data files stand in the ledger with their hashes, and a run does not go on from others.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { sampleAttempt, temporaryHome } from '../ledger/testing/sample-run.ts';
import { checkParents, parentsOf } from './parents.ts';
import { readRecipe } from './recipe-parts.ts';

const recipe = readRecipe(`name: a
why: a test
seed: 1
model: {type: llama, hidden_size: 16}
tokenizer: {tasks: [calendar]}
stages:
  - {method: sft, data: {file: a.jsonl, test_file: b.jsonl}, steps: 1}
  - {method: grpo, data: {tasks: [{task: mine, file: a.jsonl, verifier: exact}]}, steps: 1}
`);

test('the data files of all stages, each once; a changed one is refused, the others are not missed', async () => {
  const home = temporaryHome(), write = (name: string, text: string): void => writeFileSync(join(home, name), text);
  await assert.rejects(parentsOf(recipe, home, home), /NOT_FOUND|no data file/);
  write('a.jsonl', 'one\n');
  write('b.jsonl', 'two\n');
  const parents = await parentsOf(recipe, home, home);
  assert.deepEqual(parents.map((p) => [p.relation, p.name, p.sha256]), [['data', 'a.jsonl', createHash('sha256').update('one\n').digest('hex')], ['data', 'b.jsonl', createHash('sha256').update('two\n').digest('hex')]]);
  sampleAttempt(home, 'run-1', 1, 1, { parents }).end({ outcome: 'aborted', step: 1, checkpoint_sha256: null, error: null });
  checkParents('run-1', await parentsOf(recipe, home, home), home);
  write('b.jsonl', 'three\n');
  const now = await parentsOf(recipe, home, home);
  assert.throws(() => checkParents('run-1', now, home), /b\.jsonl has changed since attempt 1/);
  checkParents('run-2', now, home);
});
