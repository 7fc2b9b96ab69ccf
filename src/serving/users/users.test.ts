// Passwords, keys, sessions and the limit on guessing, each by itself; the server with all of them is in test/users.test.ts.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryHome } from '../../ledger/testing/sample-run.ts';
import { ApiError } from '../api-error.ts';
import { LoginLimit } from './login-limit.ts';
import { passwordMatches } from './password.ts';
import { Sessions } from './sessions.ts';
import { UserStore } from './user-store.ts';

test('users are kept in a file for the owner alone, without a password or key in it', async () => {
  const home = temporaryHome(), store = new UserStore(home), other = new UserStore(home);
  assert.deepEqual(store.all(), []);
  await store.add('anna', 'operator', 'correct horse battery');
  await store.add('bot', 'user', null);
  const { key, id } = store.addKey('bot', 'ci');
  assert.equal(statSync(store.path).mode & 0o777, 0o600);
  assert.doesNotMatch(readFileSync(store.path, 'utf8'), new RegExp(`correct horse|${key}`));
  assert.equal(other.ofKey(key)?.name, 'bot', 'another process sees it');
  assert.equal(other.ofKey(`${key}x`), undefined);
  assert.equal(await passwordMatches('correct horse battery', other.find('anna')!.password), true);
  assert.equal(await passwordMatches('correct horse batterie', other.find('anna')!.password), false);
  assert.equal(await passwordMatches('', other.find('bot')!.password), false, 'no password matches none');
  store.revokeKey('bot', id);
  assert.equal(other.ofKey(key), undefined);
  store.remove('anna', 'keep');
  assert.deepEqual(other.all().map((u) => u.name), ['bot']);
  // A name that was used before opens what it left behind.
  const chats = join(home, 'chats', 'anna');
  mkdirSync(chats, { recursive: true });
  writeFileSync(join(chats, 'x.json'), '{}');
  await assert.rejects(store.add('anna', 'user', null), { code: 'EXISTS', message: /earlier user "anna"/ });
  await store.add('anna', 'user', null, 'keep');
  store.remove('anna', 'keep');
  await store.add('anna', 'user', null, 'delete');
  assert.ok(!existsSync(chats));
  mkdirSync(chats);
  writeFileSync(join(chats, 'x.json'), '{}');
  store.remove('anna', 'keep');
  store.remove('anna', 'delete');
  assert.ok(!existsSync(chats), 'what an earlier removal kept');
  assert.throws(() => store.remove('anna', 'delete'), { code: 'NOT_FOUND' });
  assert.throws(() => store.remove('../chats', 'delete'), { code: 'NOT_FOUND' });
  for (const [name, password, code] of [['bot', null, 'EXISTS'], ['../up', null, 'USAGE'], ['local', null, 'USAGE'], ['Anna', null, 'USAGE'], ['carl', 'short', 'INPUT']] as const) {
    await assert.rejects(store.add(name, 'user', password), { code });
  }
  writeFileSync(store.path, '{"version": 1, "users": [{"name": "eve", "role": "operator"}]}');
  assert.throws(() => other.all(), { code: 'CONFIG' }, 'a broken file lets nobody in');
});

test('a session ends by time, by logout and with its password', async () => {
  let now = 1e12;
  const store = new UserStore(temporaryHome()), sessions = new Sessions(() => now), find = (token: string) => sessions.find(token, (name) => store.find(name))?.name;
  await store.add('anna', 'user', 'correct horse battery');
  const anna = store.find('anna')!, [first, second, third] = [sessions.begin(anna), sessions.begin(anna), sessions.begin(anna)];
  assert.deepEqual([find(first), find('guess'), find('')], ['anna', undefined, undefined]);
  sessions.end(second);
  assert.equal(find(second), undefined);
  now += 11 * 3600_000;
  assert.equal(find(first), 'anna');
  now += 11 * 3600_000;
  assert.deepEqual([find(first), find(third)], ['anna', undefined], 'one was used, the other lay idle');
  await store.setPassword('anna', 'another one entirely');
  assert.equal(find(first), undefined);
});

test('guessing is limited by name and address; a success forgets', async () => {
  let now = 1e12;
  const limit = new LoginLimit(() => now), guess = (right = false, address = '10.0.0.1', name = 'anna') => limit.attempt(name, address, () => Promise.resolve(right));
  for (let i = 0; i < 4; i++) assert.equal(await guess(), false);
  assert.equal(await guess(true), true);
  for (let i = 0; i < 5; i++) assert.equal(await guess(), false);
  await assert.rejects(guess(true), (e) => e instanceof ApiError && e.status === 429 && Number(e.headers['Retry-After']) > 800);
  assert.equal(await guess(true, '10.0.0.2'), true, 'someone else is not locked out');
  now += 16 * 60_000;
  assert.equal(await guess(true), true);
  const many = await Promise.allSettled(Array.from({ length: 30 }, () => guess(false, '10.0.0.9', 'bert')));
  assert.equal(many.filter((r) => r.status === 'fulfilled').length, 5, 'many at once are no way around');
  for (let i = 0; i < 45; i++) await guess(false, '10.0.0.9', `name${i}`);
  await assert.rejects(guess(false, '10.0.0.9', 'yet another'), { status: 429 }, 'nor are many names');
});
