// A server with users: who gets in, by what, and what a user may not do. Models are not asked much here.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { temporaryHome } from '../src/ledger/testing/sample-run.ts';
import { Audit, type AuditRecord, auditFolder, purgeAudit } from '../src/serving/audit.ts';
import { routes } from '../src/serving/routes/index.ts';
import { chatsFolder, requireOwner } from '../src/serving/user.ts';
import { UserStore } from '../src/serving/users/user-store.ts';
import { openBrowser, violations } from './browser.ts';
import { tiefsuche } from './interrupted-run.ts';
import { recordsIn } from './serving-process.ts';

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
/** What the page sends for who has logged in. */
async function loggedIn(name: string, password: string): Promise<{ Cookie: string; Origin: string }> {
  const { headers } = await ask('/api/session', { method: 'POST', body: { name, password } });
  return { Cookie: headers.get('set-cookie')!.split(';')[0]!, Origin: url };
}

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
    if (method !== 'get' && /^\/api\/(runs|models|users|audit)\b/.test(path)) assert.equal(access, 'operator', `${method} ${path}`);
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
  const cookies = { anna: await loggedIn('anna', 'correct horse battery'), bert: await loggedIn('bert', 'staple of the month') };
  const by = (name: 'anna' | 'bert', method = 'GET', path = `/api/chats/${id}`, body?: unknown) => ask(path, { method, headers: cookies[name], ...(body !== undefined && { body }) });
  assert.equal((await by('bert', 'PUT', undefined, conversation)).status, 200);
  assert.deepEqual((await by('bert')).body, conversation);
  for (const [method, path] of [['GET', `/api/chats/${id}`], ['DELETE', `/api/chats/${id}`], ['GET', `/api/chats/${id}/export`]] as const) assert.equal((await by('anna', method, path)).status, 404, 'not even by an operator');
  assert.deepEqual((await by('anna', 'GET', '/api/chats?search=plumb')).body['chats'], []);
  assert.equal(((await by('bert', 'GET', '/api/chats?search=plumb')).body['chats'] as unknown[]).length, 1);
  assert.equal((await by('bert', 'GET', '/api/chats/..%2Fanna%2Fx')).status, 404);
  assert.equal((await by('bert', 'PUT', undefined, { ...conversation, id: id.replace('0f', '1f') })).status, 400);
  for (const [method, path] of [['GET', `/api/chats/${id}`], ['GET', '/api/chats'], ['GET', '/api/own'], ['DELETE', '/api/own']] as const) {
    assert.equal((await ask(path, { method, headers: bearer(store.addKey('bert', 'made by another').key) })).body.error!.code, 'login_only', `a key opens no conversations: ${method} ${path}`);
  }
  const own = (await by('bert', 'GET', '/api/own')).body as unknown as { user: string; conversations: { generated: boolean; conversation: { id: string } }[] };
  assert.deepEqual([own.user, own.conversations.length, own.conversations[0]!.generated, own.conversations[0]!.conversation.id], ['bert', 1, true, id]);
  assert.deepEqual((await by('anna', 'DELETE', '/api/own')).body, { conversations: 0, feedback: 0 });
  assert.equal((await by('bert')).status, 200, 'another\'s erasure touches nothing of it');
  assert.deepEqual((await by('bert', 'DELETE', '/api/own')).body, { conversations: 1, feedback: 0 });
  assert.equal((await by('bert', 'PUT', undefined, conversation)).status, 200);
  assert.equal((await by('bert', 'DELETE')).status, 200);
  assert.equal((await by('bert')).status, 404);
});

test('the page asks who one is, and shows a user the chat alone', async () => {
  const browser = await openBrowser();
  try {
    const page = await browser.newPage({ locale: 'en-GB' });
    await page.goto(url);
    await page.getByLabel('Name').waitFor();
    assert.deepEqual(await violations(page), [], 'login');
    await page.getByLabel('Name').fill('bert');
    await page.getByLabel('Password').fill('not the password');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('alert').waitFor();
    await page.getByLabel('Password').fill('staple of the month');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByText('You are talking to an AI system.').waitFor();
    assert.deepEqual(await page.getByRole('navigation', { name: 'Main' }).getByRole('link').allInnerTexts(), ['Chat']);
    await page.goto(`${url}/#/house/users`);
    await page.getByText('You are talking to an AI system.').waitFor(); // there is nothing else
    assert.equal(await page.getByText('Add someone').count(), 0);
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

test('an operator adds users, gives roles, makes and revokes keys, removes; never themself, and only from the page itself', async () => {
  const anna = await loggedIn('anna', 'correct horse battery'), on = (method: string, path: string, body?: unknown, headers: Record<string, string> = anna) => ask(path, { method, headers, ...(body !== undefined && { body }) });
  const names = (body: Answer['body']): string[] => (body['users'] as { name: string }[]).map((u) => u.name);
  assert.deepEqual(names((await on('GET', '/api/users')).body), ['anna', 'bert']);
  assert.equal((await on('POST', '/api/users', { name: 'carla', role: 'user', password: 'short' })).status, 400);
  assert.equal((await on('POST', '/api/users', { name: 'bert', role: 'user', password: null })).status, 409);
  assert.deepEqual(names((await on('POST', '/api/users', { name: 'carla', role: 'user', password: 'a password of hers' })).body), ['anna', 'bert', 'carla']);
  const carla = await loggedIn('carla', 'a password of hers'), { id, key } = (await on('POST', '/api/users/carla/keys', { label: 'laptop' })).body as unknown as { id: string; key: string };
  assert.doesNotMatch(JSON.stringify((await on('GET', '/api/users')).body), /hash|salt|tfs_/, 'nothing secret is listed');
  assert.equal((await ask('/v1/models', { headers: bearer(key) })).status, 200);
  assert.equal((await on('GET', '/api/audit', undefined, carla)).status, 403);
  assert.equal((await on('PATCH', '/api/users/carla', { role: 'operator' })).status, 200);
  assert.equal((await on('GET', '/api/audit', undefined, carla)).status, 200, 'the role counts at once');
  assert.equal((await on('DELETE', `/api/users/carla/keys/${id}`)).status, 200);
  assert.equal((await ask('/v1/models', { headers: bearer(key) })).status, 401);
  for (const [method, path, body] of [['POST', '/api/users', { name: 'eve', role: 'operator', password: 'one of her own' }], ['PATCH', '/api/users/bert', { role: 'operator' }], ['DELETE', '/api/users/bert'], ['POST', '/api/users/bert/keys', { label: '' }], ['DELETE', '/api/audit?before=2999-01-01']] as const) {
    assert.equal((await on(method, path, body, { Cookie: anna.Cookie })).body.error!.code, 'csrf', `${method} ${path}`);
    assert.equal((await on(method, path, body, { ...anna, Origin: 'https://evil.example' })).body.error!.code, 'origin_not_allowed', `${method} ${path}`);
  }
  assert.equal((await on('DELETE', '/api/users/anna')).body.error!.code, 'oneself');
  assert.equal((await on('PATCH', '/api/users/anna', { role: 'user' })).body.error!.code, 'oneself');
  const chats = chatsFolder({ name: 'carla', role: 'user' }, home);
  cpSync(fileURLToPath(new URL('fixtures/thinker/config.json', import.meta.url)), join(chats, 'left-behind.json'));
  assert.deepEqual(names((await on('DELETE', '/api/users/carla?conversations=delete')).body), ['anna', 'bert']);
  assert.deepEqual([existsSync(chats), (await on('GET', '/api/users', undefined, carla)).status], [false, 401], 'out at once, and nothing of hers is left');
});

test('the pages of operators: users with their keys, the record with its sums, and its deletion as an act of its own', async () => {
  const browser = await openBrowser(), earlier = join(auditFolder(home), '2020-02-03.jsonl');
  const record = { time: '2020-02-03T10:00:00.000Z', id: 'x', user: 'bert', model: 'old', weights_sha256: null, choices: 1, prompt_tokens: 1000, cached_tokens: 0, completion_tokens: 2000, reasoning_tokens: 500, seconds: 10, joules: 3600, energy_method: 'rapl', finish: ['stop'], messages: ['a secret'] };
  writeFileSync(earlier, `${JSON.stringify(record)}\n${JSON.stringify({ ...record, id: 'y', user: 'anna' })}\n{"torn`);
  try {
    const page = await browser.newPage({ locale: 'en-GB' });
    page.on('dialog', (d) => void d.accept());
    await page.goto(`${url}/#/house/users`);
    await page.getByLabel('Name').fill('anna');
    await page.getByLabel('Password').fill('correct horse battery');
    await page.getByRole('button', { name: 'Log in' }).click();
    const card = (name: string) => page.locator('.people li', { has: page.getByRole('heading', { name }) });
    await card('bert').waitFor();
    assert.equal(await card('anna').getByRole('combobox').isDisabled(), true, 'one\'s own role stays');
    const form = page.locator('.add-user');
    await form.getByLabel('Name').fill('dora');
    await form.getByRole('textbox', { name: 'Password' }).fill('her first password');
    await form.getByRole('button', { name: 'Add' }).click();
    await card('dora').getByRole('combobox').selectOption('operator');
    await card('dora').getByRole('button', { name: 'New key for dora' }).click();
    await card('dora').getByLabel('What is it for?').fill('notebook');
    assert.deepEqual(await violations(page), [], 'users');
    await card('dora').getByRole('button', { name: 'Make the key' }).click();
    const key = await card('dora').locator('.new-key code').innerText();
    assert.equal((await ask('/api/session', { headers: bearer(key) })).body.user!.role, 'operator');
    await card('dora').getByRole('button', { name: 'Done' }).click();
    assert.equal(await page.getByText(key).count(), 0, 'shown once');
    await card('dora').getByRole('button', { name: /^Revoke key/ }).click();
    await card('dora').locator('.keys').waitFor({ state: 'detached' });
    assert.equal((await ask('/v1/models', { headers: bearer(key) })).status, 401);
    await card('dora').getByRole('button', { name: 'Remove dora' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Remove', exact: true }).click();
    await card('dora').waitFor({ state: 'detached' });
    assert.equal(store.find('dora'), undefined);
    const doras = chatsFolder({ name: 'dora', role: 'user' }, home);
    cpSync(fileURLToPath(new URL('fixtures/thinker/config.json', import.meta.url)), join(doras, 'left-behind.json'));
    const again = async (): Promise<void> => {
      await form.getByLabel('Name').fill('dora');
      await form.getByRole('textbox', { name: 'Password' }).fill('another dora altogether');
      await form.getByRole('button', { name: 'Add' }).click();
    };
    await again();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    assert.equal(store.find('dora'), undefined, 'asked, and not answered');
    await form.getByRole('button', { name: 'Add' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete them' }).click();
    await card('dora').waitFor();
    assert.ok(!existsSync(doras));

    await page.getByRole('link', { name: 'Records' }).click();
    await page.getByText('No texts.').waitFor();
    await page.getByLabel('From').fill('2020-02-01');
    await page.getByLabel('To').fill('2020-02-28');
    const sums = page.getByRole('region', { name: 'By user and model' });
    await sums.getByRole('row', { name: /^Together 2 2,000 4,000 20 s 7\.2 kJ €0\.0/ }).waitFor();
    await page.locator('.filter select').selectOption('bert');
    await page.getByRole('region', { name: 'Answers' }).getByRole('row').nth(2).waitFor({ state: 'detached' });
    assert.match(await page.getByRole('region', { name: 'Answers' }).innerText(), /bert\s+old\s+by itself\s+1,000\s+2,000\s+500\s+10 s\s+3\.6 kJ/);
    assert.doesNotMatch(await page.content(), /a secret/);
    assert.deepEqual(await violations(page), [], 'records');
    await page.getByLabel('All days before').fill('2020-02-03');
    await page.getByText('There are none.').waitFor();
    await page.getByLabel('All days before').fill('2020-02-04');
    await page.getByRole('button', { name: 'Delete …' }).click();
    await page.getByRole('dialog').getByText('3 Feb 2020 to 3 Feb 2020 (days: 1)').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    assert.ok(existsSync(earlier), 'asked, and not meant');
    await page.getByRole('button', { name: 'Delete …' }).click();
    await page.getByRole('button', { name: 'Delete for good' }).click();
    await page.getByText('Deleted (days: 1).').waitFor();
    assert.ok(!existsSync(earlier));
    assert.match(log, /"user":"anna","before":"2020-02-04","days":1,"msg":"records deleted"/);
  } finally {
    await browser.close();
  }
});

test('the record of answers: who, which model, how much; no texts; what a client that left had cost; and it is forgotten by the day', async () => {
  const secret = 'Today is Monday. Which weekday is it in 30 days?', ask30 = (stream: boolean, signal?: AbortSignal) => fetch(`${url}/v1/chat/completions`, { method: 'POST', headers: { 'Content-Type': 'application/json', ...bearer(userKey) }, body: JSON.stringify({ model: 'small', stream, think: false, logit_bias: stream ? { 4: -100 } : {}, messages: [{ role: 'user', content: secret }] }), ...(signal && { signal }) });
  const whole = (await (await ask30(false)).json()) as { id: string; usage: { prompt_tokens: number; completion_tokens: number } }, aborter = new AbortController();
  await (await ask30(true, aborter.signal)).body!.getReader().read();
  aborter.abort();
  const records = (): Promise<AuditRecord[]> => recordsIn(home);
  for (let i = 0; i < 100 && !(await records()).some((r) => r.finish[0] === 'client'); i++) await new Promise((r) => { setTimeout(r, 20); });
  const all = await records(), mine = all.find((r) => r.id === whole.id)!, left = all.find((r) => r.finish[0] === 'client')!;
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
  assert.deepEqual(await records(), []);

  // Whoever leaves during the first step is on the record with what that step cost.
  for (let n = 1; n <= 20; n++) {
    const early = new AbortController(), reader = (await ask30(true, early.signal)).body!.getReader();
    await reader.read();
    early.abort();
    for (let i = 0; i < 100 && (await records()).length < n; i++) await new Promise((r) => { setTimeout(r, 20); });
  }
  assert.deepEqual((await records()).map((r) => [r.finish[0], r.joules! > 0]), Array.from({ length: 20 }, () => ['client', true]));

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
