import { test } from 'node:test';
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryHome } from '../ledger/testing/sample-run.ts';
import { readRows } from './rows-file.ts';

test('rows from conversations are refused without author and consent; others need none', async () => {
  const file = join(temporaryHome(), 'rows.jsonl'), own = { messages: [{ role: 'user', content: 'a' }] };
  const good = { ...own, origin: 'tiefsuche-feedback', author: 'anna', consent: { given: '2026-11-25T10:00:00.000Z', conversation: 'x' } };
  const read = (...rows: object[]): Promise<unknown[]> => { writeFileSync(file, rows.map((r) => JSON.stringify(r)).join('\n')); return readRows(file); };
  assert.equal((await read(own, good)).length, 2);
  for (const bad of [{ ...good, author: '' }, { ...good, consent: null }, { ...good, consent: { given: 'yes', conversation: 'x' } }, { ...good, consent: { given: good.consent.given } }]) {
    await assert.rejects(read(own, good, bad), { code: 'INPUT', message: /line 3 .*no consent/ });
  }
});
