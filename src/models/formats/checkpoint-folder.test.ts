import { test } from 'node:test';
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryHome } from '../../ledger/testing/sample-run.ts';
import { openModelFiles } from '../load.ts';
import { resolveModelPath, resolveTalkingModel } from '../model-path.ts';
import { isCheckpoint, latestCheckpoint } from './checkpoint-folder.ts';

test('the latest checkpoint of a run is a model to talk with, and none to build on', () => {
  const home = temporaryHome(), run = join(home, 'runs', 'young'), at = (step: number): string => join(run, 'checkpoints', `step-${String(step).padStart(8, '0')}`);
  const thinker = fileURLToPath(new URL('../../../test/fixtures/thinker', import.meta.url));
  cpSync(thinker, join(run, 'model'), { recursive: true });
  assert.equal(latestCheckpoint(run), null);
  for (const step of [20, 100]) mkdirSync(at(step), { recursive: true });
  renameSync(join(run, 'model', 'model.safetensors'), join(at(20), 'weights.safetensors'));
  assert.deepEqual([isCheckpoint(at(20)), isCheckpoint(at(100)), latestCheckpoint(run)], [true, false, at(20)]);
  assert.equal(resolveTalkingModel('young', home, home), at(20));
  assert.throws(() => resolveModelPath('young', home, home), { code: 'NOT_FOUND' });
  const checkpoint = openModelFiles(at(20)), whole = openModelFiles(thinker);
  assert.deepEqual([...checkpoint.weights.tensors.keys()].sort(), [...whole.weights.tensors.keys()].sort());
  assert.deepEqual([checkpoint.config, checkpoint.chatTemplate, checkpoint.path], [whole.config, whole.chatTemplate, at(20)]);
  checkpoint.close();
  whole.close();
});
