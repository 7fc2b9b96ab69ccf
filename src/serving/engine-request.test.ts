import { test } from 'node:test';
import assert from 'node:assert/strict';
import { ApiError } from './api-error.ts';
import { checkThinking, thinkingOf } from './engine-request.ts';

test('thinking: fields that contradict each other are refused, and a model that cannot think is not asked to', () => {
  const body = { model: 'm', messages: [] } as unknown as Parameters<typeof thinkingOf>[0];
  assert.deepEqual(thinkingOf({ ...body, think: true, thinking_budget: 9 }, null), { enabled: true, budget: 9, raw: false });
  assert.throws(() => thinkingOf({ ...body, think: false, reasoning_effort: 'high' }, null), { code: 'contradiction' });
  assert.doesNotThrow(() => checkThinking({ think: true }, true));
  assert.throws(() => checkThinking({ think: true }, false), (e) => e instanceof ApiError && e.status === 400 && e.param === 'think');
  for (const harmless of [{}, { think: false }, { think: null }]) assert.doesNotThrow(() => checkThinking(harmless, false));
});
