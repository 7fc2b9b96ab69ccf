// The models of a server with a run that saves again while someone asks: the exchange takes no answer away.

import { after, test } from 'node:test';
import assert from 'node:assert/strict';
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryHome } from '../ledger/testing/sample-run.ts';
import type { EngineAnswer, EngineEvent } from './engines/engine.ts';
import { requestFor, workerOptions } from './engines/testing/requests.ts';
import { openEngine } from './engines/worker-engine.ts';
import { ModelStore } from './model-store.ts';

const home = temporaryHome(), run = join(home, 'runs', 'small'), thinker = fileURLToPath(new URL('../../test/fixtures/thinker', import.meta.url));
cpSync(thinker, join(run, 'model'), { recursive: true });

function save(step: number): void {
  const folder = join(run, 'checkpoints', `step-${step}`);
  mkdirSync(folder, { recursive: true });
  cpSync(join(thinker, 'model.safetensors'), join(folder, 'weights.safetensors'));
}

test('a question that comes while a newer checkpoint is loaded is answered by the older one', async () => {
  save(1);
  let asked: EngineAnswer | null = null;
  const store = new ModelStore(home, async (path) => {
    const engine = await openEngine(workerOptions(path), null), before = store.models.get('small');
    // Its answer goes on to the end of the context: the new engine is there long before it is over.
    if (before) asked = before.engine.start(requestFor('How much is it?', { choices: 4, sampling: { ...requestFor('').sampling, bias: [[4, -100]] } }));
    return engine;
  });
  after(() => store.close());
  const old = await store.load('small', join(run, 'checkpoints', 'step-1'));
  save(2);
  for (let i = 0; i < 500 && store.models.get('small')!.step !== 2; i++) await new Promise((r) => { setTimeout(r, 20); });
  assert.equal(store.models.get('small')!.step, 2);
  const events: EngineEvent[] = [];
  for await (const event of asked!) events.push(event);
  const ends = events.filter((e) => e.type === 'end');
  assert.deepEqual(ends.map((e) => [e.finish, e.cutShort]), Array.from({ length: 4 }, () => ['length', undefined]));
  for (let i = 0; i < 200 && store.loading.size > 0; i++) await new Promise((r) => { setTimeout(r, 20); });
  const [late] = await (async () => { const seen: EngineEvent[] = []; for await (const event of old.engine.start(requestFor('x'))) seen.push(event); return seen; })();
  assert.ok(late?.type === 'refused' && late.refusal.code === 'engine_failed', 'the old one is closed then');
});

test('an engine that has ended by itself is opened anew, and tried again where that fails; one that was unloaded meanwhile stays so', async () => {
  let ended: string | null = null, opened = 0, broken = false;
  const store = new ModelStore(home, async (path) => {
    if (broken) throw new Error('no such file');
    const engine = await openEngine(workerOptions(path), null), first = opened++ === 0;
    return first ? Object.create(engine, { dead: { get: () => ended } }) as typeof engine : engine;
  });
  after(() => store.close());
  const { engine } = await store.load('thinker', thinker), until = async (what: () => boolean): Promise<void> => { for (let i = 0; i < 500 && !what(); i++) await new Promise((r) => { setTimeout(r, 20); }); };
  ended = 'out of memory';
  await until(() => store.models.get('thinker')?.engine !== engine);
  assert.deepEqual([opened, store.models.get('thinker')!.engine.dead], [2, null]);
  broken = true;
  await store.models.get('thinker')!.engine.close(); // its thread is gone, as after a crash
  await until(() => store.failures.has('thinker'));
  assert.equal(store.failures.get('thinker'), 'the engine has ended; loaded again: no such file');
  assert.ok(store.models.has('thinker'), 'it is still wanted, and /health says that it is not well');
  broken = false;
  await until(() => store.models.get('thinker')!.engine.dead === null);
  assert.equal(store.failures.has('thinker'), false);
});
