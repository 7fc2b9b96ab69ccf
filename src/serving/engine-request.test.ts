import { test } from 'node:test';
import assert from 'node:assert/strict';
import { ApiError } from './api-error.ts';
import { checkThinking, thinkingOf } from './engine-request.ts';

test('thinking: fields that contradict each other are refused, and a model that cannot think is not asked to', () => {
  const body = { model: 'm', messages: [] } as unknown as Parameters<typeof thinkingOf>[0];
  assert.deepEqual(thinkingOf({ ...body, think: true, thinking_budget: 9 }, null), { enabled: true, budget: 9, raw: false });
  assert.throws(() => thinkingOf({ ...body, think: false, reasoning_effort: 'high' }, null), { code: 'contradiction' });
  for (const [asked, param] of [[{ think: true }, 'think'], [{ chat_template_kwargs: { enable_thinking: true } }, 'chat_template_kwargs.enable_thinking']] as const) {
    assert.doesNotThrow(() => checkThinking(asked, true));
    assert.throws(() => checkThinking(asked, false), (e) => e instanceof ApiError && e.status === 400 && JSON.stringify(e.body).includes(`"${param}"`));
  }
  for (const harmless of [{}, { think: false }, { chat_template_kwargs: { enable_thinking: false } }]) assert.doesNotThrow(() => checkThinking(harmless, false));
});
