// What scripts rely on: the fields that `eval`, `chat` and `logits` print with --json, on a small committed model, and
// errors with a status where they were asked for nonsense.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryHome } from '../src/ledger/testing/sample-run.ts';
import { tiefsuche } from './interrupted-run.ts';

const model = fileURLToPath(new URL('fixtures/thinker', import.meta.url)), home = temporaryHome();
const ask = async (...args: string[]): Promise<{ status: number | null; out: string; err: string }> => tiefsuche(args, home);

test('logits: a line a position, of the whole vocabulary; what is no token id is refused', async () => {
  const { status, out } = await ask('logits', model, '--ids', '1, 2,3', '--json'), rows = out.trim().split('\n').map((l) => (JSON.parse(l) as { logits: number[] }).logits);
  assert.equal(status, 0);
  assert.equal(rows.length, 3);
  assert.ok(rows.every((r) => r.length === rows[0]!.length && r.every(Number.isFinite)));
  for (const ids of ['1,x', '1,4294967298', '1.5']) {
    const { status: no, out: nothing, err } = await ask('logits', model, '--ids', ids, '--json');
    assert.deepEqual([no, nothing], [2, ''], ids);
    assert.match(err, /"code":"USAGE"/);
  }
});

test('eval: accuracy with its interval', async () => {
  const { status, out, err } = await ask('eval', model, '--task', 'calendar', '--n', '20', '--seed', '3', '--json');
  assert.equal(status, 0, err);
  const { accuracy, n, interval: [low, high] } = JSON.parse(out) as { accuracy: number; n: number; interval: [number, number] };
  assert.ok(n === 20 && low >= 0 && low <= accuracy && accuracy <= high && high <= 1 && low < high);
});

test('chat: the same answer at temperature 0, with a log-probability for each token', async () => {
  const said = async (): Promise<unknown> => { const { status, out, err } = await ask('chat', model, '--prompt', 'Today is Monday. Which weekday is it in 3 days?', '--temperature', '0', '--max-tokens', '40', '--json'); assert.equal(status, 0, err); return JSON.parse(out); };
  const first = (await said()) as { thinking: string; content: string; token_ids: number[]; logprobs: number[]; finish_reason: string };
  assert.ok(typeof first.thinking === 'string' && typeof first.content === 'string' && ['stop', 'length'].includes(first.finish_reason));
  assert.ok(first.token_ids.length > 0 && first.logprobs.length === first.token_ids.length && first.logprobs.every((x) => x <= 0));
  assert.deepEqual(await said(), first);
});
