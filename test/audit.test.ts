// The record with texts, and a record that cannot be written: no answer goes out without one.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import OpenAI, { APIError } from 'openai';
import { temporaryHome } from '../src/ledger/testing/sample-run.ts';
import { Audit, type AuditRecord, auditFolder } from '../src/serving/audit.ts';
import { type Running, killServers, recordsIn, startServer, stopServer } from './serving-process.ts';

const home = temporaryHome(), question = 'Today is Monday. Which weekday is it in 30 days?';
let server: Running, client: OpenAI;
before(async () => {
  cpSync(fileURLToPath(new URL('fixtures/thinker', import.meta.url)), join(home, 'runs', 'small', 'final'), { recursive: true });
  server = await startServer(home, ['small'], ['--audit-text']);
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
});
after(killServers);

const ask = { model: 'small', temperature: 0, messages: [{ role: 'user' as const, content: question }] };
const records = (): Promise<AuditRecord[]> => recordsIn(home);

test('--audit-text keeps question, thought and answer, whole or streamed', async () => {
  const { choices: [choice], id } = await client.chat.completions.create(ask), message = choice!.message as unknown as { content: string; reasoning: string };
  for await (const chunk of await client.chat.completions.create({ ...ask, stream: true })) assert.ok(chunk.id);
  const all = await records(), whole = all.find((r) => r.id === id)!;
  assert.equal(all.length, 2);
  assert.deepEqual(whole.messages, ask.messages);
  assert.deepEqual(whole.answers, [{ thinking: message.reasoning, content: message.content, calls: [] }]);
  assert.deepEqual(all[1]!.answers, whole.answers);
});

test('a record that cannot be written: 503 and no answer, until there is room again', async () => {
  const folder = auditFolder(home), file = join(folder, readdirSync(folder)[0]!), before = await records();
  renameSync(file, `${file}.away`);
  mkdirSync(file); // no process can append to a folder, whoever it runs as
  for (const stream of [false, true]) {
    await assert.rejects(async () => client.chat.completions.create({ ...ask, stream }), (error) => error instanceof APIError && error.status === 503 && error.code === 'audit_failed');
  }
  rmdirSync(file);
  renameSync(`${file}.away`, file);
  await client.chat.completions.create(ask);
  assert.equal((await records()).length, before.length + 1, 'what was refused had no answer, and so no record');
  assert.equal(await stopServer(server), 0, server.err());
});

test('a record that fails while its answer is made is written first once that is possible, and half a line spoils none', async () => {
  const place = temporaryHome(), audit = new Audit(false, place), folder = auditFolder(place), day = join(folder, `${new Date().toISOString().slice(0, 10)}.jsonl`);
  const record: AuditRecord = { ...(await records())[0]!, time: new Date().toISOString(), messages: undefined, answers: undefined };
  assert.equal(audit.check(), null);
  assert.ok(existsSync(day));
  renameSync(day, `${day}.away`);
  mkdirSync(day);
  audit.write({ ...record, id: 'a' });
  assert.match(audit.failure!, /EISDIR/);
  assert.match(audit.check()!, /EISDIR/);
  rmdirSync(day);
  assert.equal(audit.check(), null);
  audit.write({ ...record, id: 'b' });
  assert.deepEqual((await recordsIn(place)).map((r) => r.id), ['a', 'b']);
});
