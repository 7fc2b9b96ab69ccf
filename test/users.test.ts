// A server with users: who gets in, by what, and what a user may not do. Models are not asked much here.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { temporaryHome } from '../src/ledger/testing/sample-run.ts';
import { Audit, type AuditRecord, auditFolder, purgeAudit, readAudit } from '../src/serving/audit.ts';
import { routes } from '../src/serving/routes/index.ts';
import { chatsFolder, requireOwner } from '../src/serving/user.ts';
import { UserStore } from '../src/serving/users/user-store.ts';
import { openBrowser } from './browser.ts';
import { tiefsuche } from './interrupted-run.ts';

const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url)), home = temporaryHome(), store = new UserStore(home);
let url = '', log = '', server: ChildProcess, operatorKey = '', userKey = '';

before(async () => {
  cpSync(fileURLToPath(new URL('fixtures/thinker', import.meta.url)), join(home, 'runs', 'small', 'final'), { recursive: true });
  await store.add('anna', 'operator', 'correct horse battery');
  await store.add('bert', 'user', 'staple of the month');
  operatorKey = store.addKey('anna', 'test').key;
  userKey = store.addKey('bert', 'test').key;
  server = spawn(process.execPath, ['--import', 'tsx', main, 'serve', 'small', '--port', '0', '--json', '--name', 'chat.example.org', '--trust-proxy', '127.0.0.1', '--trust-header', 'X-Remote-User', '--audit', '--log', 'info'], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, TIEFSUCHE_HOME: home } });
  server.stderr!.on('data', (d) => { log += String(d); });
  for await (const line of createInterface({ input: server.stdout! })) { url = (JSON.parse(line) as { url: string }).url; break; }
});
after(async () => { server.kill('SIGTERM'); await once(server, 'exit'); });

interface Answer { status: number; headers: Headers; body: { error?: { code: string }; user?: { name: string; role: string } | null } & Record<string, unknown> }
async function ask(path: string, { method = 'GET', headers = {}, body }: { method?: string; headers?: Record<string, string>; body?: unknown } = {}): Promise<Answer> {
  const answer = await fetch(url + path, { method, headers: { ...(body !== undefined && { 'Content-Type': 'application/json' }), ...headers }, ...(body !== undefined && { body: JSON.stringify(body) }) });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, body: text.startsWith('{') ? JSON.parse(text) as Answer['body'] : {} };
}
const bearer = (key: string) => ({ Authorization: `Bearer ${key}` });

test('without a login there is health and the login, and nothing else', async () => {
  assert.equal((await ask('/health')).status, 200);
  assert.deepEqual((await ask('/api/session')).body, { user: null, login: true });
  for (const { method, path, access } of routes) {
    if (access === 'anyone') continue;
    const { status, body } = await ask(path.replaceAll(/:\w+/g, 'x'), { method: method.toUpperCase() });
    assert.deepEqual([status, body.error?.code], [401, 'not_logged_in'], `${method} ${path}`);
  }
});

test('keys: the right one opens, a wrong or revoked one does not', async () => {
  assert.equal((await ask('/v1/models', { headers: bearer(userKey) })).status, 200);
  assert.equal((await ask('/v1/models', { headers: bearer('tfs_guess') })).body.error!.code, 'invalid_key');
  const { key, id } = store.addKey('bert', 'lost');
  assert.equal((await ask('/v1/models', { headers: bearer(key) })).status, 200, 'known at once');
  store.revokeKey('bert', id);
  assert.equal((await ask('/v1/models', { headers: bearer(key) })).status, 401, 'gone at once');
  const chat = await ask('/v1/chat/completions', { method: 'POST', headers: bearer(userKey), body: { model: 'small', messages: [{ role: 'user', content: 'Today is Friday. Which weekday is it in 2 days?' }], max_tokens: 4 } });
  assert.equal(chat.status, 200);
});

test('a user may not do what is for operators: runs, models and figures of all', async () => {
  for (const { method, path, access } of routes) {
    // Whatever starts, stops or changes runs and models is an operator's.
    if (method !== 'get' && /^\/api\/(runs|models)\b/.test(path)) assert.equal(access, 'operator', `${method} ${path}`);
    if (access !== 'operator') continue;
    const { status, body } = await ask(path.replaceAll(/:\w+/g, 'x'), { method: method.toUpperCase(), headers: bearer(userKey) });
    assert.deepEqual([status, body.error?.code], [403, 'operator_only'], `${method} ${path}`);
  }
  assert.equal((await ask('/metrics', { headers: bearer(operatorKey) })).status, 200);
});

test('what another owns is not there', () => {
  const [anna, bert] = [{ name: 'anna', role: 'operator' }, { name: 'bert', role: 'user' }] as const;
  requireOwner(bert, 'bert', 'conversation "1"');
  assert.throws(() => requireOwner(bert, 'anna', 'conversation "1"'), { status: 404, message: 'there is no conversation "1" here' });
  assert.throws(() => requireOwner(anna, 'bert', 'conversation "1"'), { status: 404 }, 'an operator cannot read them either');
  assert.notEqual(chatsFolder(anna, home), chatsFolder(bert, home));
});

test('conversations: one\'s own are kept, read, searched and deleted; another\'s id finds nothing', async () => {
  const id = '0f0e0d0c-0b0a-4009-8807-060504030201', now = new Date().toISOString();
  const conversation = {
    id, title: 'A secret', model: 'small', created: now, updated: now, consent: null, messages: [{ role: 'user', content: 'the word is plumb', time: now, attachments: [] }],
    settings: { system: '', temperature: 0, top_p: 1, seed: null, max_tokens: null, thinking: 'auto', thinking_budget: null },
  };
  const by = (key: string, method = 'GET', path = `/api/chats/${id}`, body?: unknown) => ask(path, { method, headers: bearer(key), ...(body !== undefined && { body }) });
  assert.equal((await by(userKey, 'PUT', undefined, conversation)).status, 200);
  assert.deepEqual((await by(userKey)).body, conversation);
  for (const [method, path] of [['GET', `/api/chats/${id}`], ['DELETE', `/api/chats/${id}`], ['GET', `/api/chats/${id}/export`]] as const) assert.equal((await by(operatorKey, method, path)).status, 404, 'not even by an operator');
  assert.deepEqual((await by(operatorKey, 'GET', '/api/chats?search=plumb')).body['chats'], []);
  assert.equal(((await by(userKey, 'GET', '/api/chats?search=plumb')).body['chats'] as unknown[]).length, 1);
  assert.equal((await by(userKey, 'GET', '/api/chats/..%2Fanna%2Fx')).status, 404);
  assert.equal((await by(userKey, 'PUT', undefined, { ...conversation, id: id.replace('0f', '1f') })).status, 400);
  assert.equal((await by(userKey, 'DELETE')).status, 200);
  assert.equal((await by(userKey)).status, 404);
});

test('the page asks who one is, and shows a user the chat alone', async () => {
  const browser = await openBrowser();
  try {
    const page = await browser.newPage({ locale: 'en-GB' });
    await page.goto(url);
    await page.getByLabel('Name').fill('bert');
    await page.getByLabel('Password').fill('not the password');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('alert').waitFor();
    await page.getByLabel('Password').fill('staple of the month');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByText('You are talking to an AI system.').waitFor();
    assert.deepEqual(await page.getByRole('navigation', { name: 'Main' }).getByRole('link').allInnerTexts(), ['Chat']);
    await page.getByRole('textbox', { name: 'Message' }).fill('Today is Friday. Which weekday is it in 2 days?');
    await page.keyboard.press('Enter');
    await page.locator('.actions').waitFor();
  } finally {
    await browser.close();
  }
});

test('login, what a cookie may do, a new password, logout', async () => {
  const login = (password: string) => ask('/api/session', { method: 'POST', body: { name: 'bert', password } });
  assert.deepEqual([(await login('wrong password')).status, (await ask('/api/session', { method: 'POST', body: { name: 'nobody', password: 'wrong password' } })).status], [401, 401]);
  const { status, headers, body } = await login('staple of the month'), set = headers.get('set-cookie')!, cookie = set.split(';')[0]!;
  assert.deepEqual([status, body.user], [200, { name: 'bert', role: 'user' }]);
  assert.match(set, /; HttpOnly/);
  assert.match(set, /; SameSite=Strict/);
  assert.doesNotMatch(set, /Secure/, 'this connection is not TLS');
  assert.equal((await ask('/v1/models', { headers: { Cookie: cookie } })).status, 200);
  const post = (from: Record<string, string>) => ask('/v1/chat/completions', { method: 'POST', headers: { Cookie: cookie, ...from }, body: {} });
  assert.equal((await post({})).body.error!.code, 'csrf');
  assert.equal((await post({ Origin: 'https://evil.example' })).body.error!.code, 'origin_not_allowed');
  assert.equal((await post({ Origin: url })).body.error!.code, 'invalid_type', 'our own page gets through to the route');

  const change = (old: string, next: string) => ask('/api/session/password', { method: 'POST', headers: { Cookie: cookie, Origin: url }, body: { old, new: next } });
  assert.deepEqual([(await change('staple of the month', 'short')).status, (await change('wrong password', 'a new and longer one')).status], [400, 403]);
  const changed = await change('staple of the month', 'a new and longer one'), fresh = changed.headers.get('set-cookie')!.split(';')[0]!;
  assert.equal((await ask('/v1/models', { headers: { Cookie: cookie } })).status, 401, 'the old login has ended');
  assert.equal((await ask('/v1/models', { headers: { Cookie: fresh } })).status, 200);
  assert.equal((await ask('/api/session', { method: 'DELETE', headers: { Cookie: fresh, Origin: url } })).status, 200);
  assert.equal((await ask('/v1/models', { headers: { Cookie: fresh } })).status, 401);

  const statuses: number[] = [];
  for (let i = 0; i < 8; i++) statuses.push((await login('guess after guess')).status);
  assert.deepEqual([statuses[0], statuses.at(-1)], [401, 429]);
  assert.equal((await login('a new and longer one')).status, 429, 'the right one has to wait, too');
});

test('a listed proxy says who it is for, and whether the browser speaks TLS', async () => {
  const from = (name: string) => ({ 'X-Remote-User': name, 'X-Forwarded-For': '203.0.113.9', 'X-Forwarded-Proto': 'https' });
  assert.deepEqual((await ask('/api/session', { headers: from('anna') })).body.user, { name: 'anna', role: 'operator' });
  assert.equal((await ask('/api/session', { headers: from('carol') })).body.error!.code, 'unknown_user');
  const { headers } = await ask('/api/session', { method: 'POST', headers: { 'X-Forwarded-For': '203.0.113.9', 'X-Forwarded-Proto': 'https' }, body: { name: 'anna', password: 'correct horse battery' } });
  assert.match(headers.get('set-cookie')!, /; Secure/);
});

test('the record of answers: who, which model, how much; no texts; what a client that left had cost; and it is forgotten by the day', async () => {
  const secret = 'Today is Monday. Which weekday is it in 30 days?', ask30 = (stream: boolean, signal?: AbortSignal) => fetch(`${url}/v1/chat/completions`, { method: 'POST', headers: { 'Content-Type': 'application/json', ...bearer(userKey) }, body: JSON.stringify({ model: 'small', stream, think: false, logit_bias: stream ? { 4: -100 } : {}, messages: [{ role: 'user', content: secret }] }), ...(signal && { signal }) });
  const whole = (await (await ask30(false)).json()) as { id: string; usage: { prompt_tokens: number; completion_tokens: number } }, aborter = new AbortController();
  await (await ask30(true, aborter.signal)).body!.getReader().read();
  aborter.abort();
  const records = (): AuditRecord[] => [...readAudit(home)];
  for (let i = 0; i < 100 && !records().some((r) => r.finish[0] === 'client'); i++) await new Promise((r) => { setTimeout(r, 20); });
  const mine = records().find((r) => r.id === whole.id)!, left = records().find((r) => r.finish[0] === 'client')!;
  assert.deepEqual([mine.user, mine.model, mine.prompt_tokens, mine.completion_tokens, mine.finish], ['bert', 'small', whole.usage.prompt_tokens, whole.usage.completion_tokens, ['stop']]);
  assert.ok(mine.joules! > 0 && mine.weights_sha256!.length === 64 && left.prompt_tokens > 0 && left.joules! > 0);
  const folder = auditFolder(home), [file] = readdirSync(folder), text = readFileSync(join(folder, file!), 'utf8');
  assert.doesNotMatch(text + log, /Monday|weekday|tfs_/, 'neither the record nor the log has texts or keys');
  assert.equal(statSync(join(folder, file!)).mode & 0o777, 0o600);
  assert.match(log, /"route":"\/v1\/chat\/completions","method":"POST","status":200,"user":"bert"/);
  const [sum] = JSON.parse((await tiefsuche(['audit', 'sum', '--user', 'bert', '--json'], home)).out) as { answers: number; prompt_tokens: number }[];
  assert.ok(sum!.answers >= 3 && sum!.prompt_tokens > 0);
  assert.equal((await tiefsuche(['audit', 'purge', '--before', 'yesterday'], home)).status, 2);
  assert.deepEqual(purgeAudit('2000-01-01', home), []);
  assert.deepEqual(purgeAudit('2999-01-01', home), [file!.slice(0, 10)]);
  assert.deepEqual(records(), []);

  const kept = new Audit(true, temporaryHome());
  assert.equal(kept.texts, true);
});

test('the command line: add by a pipe, list, key, remove; nobody is served without users', async () => {
  const other = temporaryHome(), model = fileURLToPath(new URL('fixtures/thinker', import.meta.url));
  for (const args of [['--host', '0.0.0.0'], ['--name', 'chat.example.org'], ['--trust-proxy', '127.0.0.1']]) {
    const { status, err } = await tiefsuche(['serve', model, '--port', '0', ...args], other);
    assert.equal(status, 2);
    assert.match(err, /there are no users/);
  }
  assert.match((await tiefsuche(['serve', model, '--trust-header', 'X-User'], other)).err, /needs --trust-proxy/);
  assert.equal((await tiefsuche(['users', 'add', 'dora', '--no-password', '--json'], other)).status, 0);
  const { key } = JSON.parse((await tiefsuche(['users', 'key', 'dora', '--json'], other)).out) as { key: string };
  assert.equal(new UserStore(other).ofKey(key)?.name, 'dora');
  const [listed] = JSON.parse((await tiefsuche(['users', 'list', '--json'], other)).out) as { name: string; role: string; password: boolean; keys: unknown[] }[];
  assert.deepEqual([listed!.name, listed!.role, listed!.password, listed!.keys.length], ['dora', 'user', false, 1]);
  assert.equal((await tiefsuche(['users', 'remove', 'dora'], other)).status, 0);
  assert.deepEqual(new UserStore(other).all(), []);
});
