// The engine seen from the server's thread: what cannot be handed to its thread harms nobody.

import { after, test } from 'node:test';
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import type { EngineEvent } from './engine.ts';
import { requestFor, workerOptions } from './testing/requests.ts';
import { openEngine } from './worker-engine.ts';

const engine = await openEngine(workerOptions(fileURLToPath(new URL('../../../test/fixtures/thinker', import.meta.url))), null);
after(() => engine.close());

async function eventsOf(events: AsyncIterable<EngineEvent>): Promise<EngineEvent[]> {
  const seen: EngineEvent[] = [];
  for await (const event of events) seen.push(event);
  return seen;
}

test('a request that no thread can be handed is refused, and nobody waits for it afterwards', async () => {
  const [only, ...rest] = await eventsOf(engine.start({ ...requestFor('How much is it?'), choices: 4, variables: { f: () => 1 } }));
  assert.ok(only?.type === 'refused' && only.refusal.code === 'invalid_input' && /cannot be handed/.test(only.refusal.message) && rest.length === 0, JSON.stringify(only));
  assert.equal(engine.pending, 0);
  const next = await eventsOf(engine.start(requestFor('Today is Friday. Which weekday is it in 62 days?')));
  assert.equal(next.at(-1)?.type, 'end');
  assert.equal(engine.pending, 0);
});
