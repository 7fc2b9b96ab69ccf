// Serving makes no outgoing connection: in a network namespace with nothing but its own loopback the server and its page,
// in a real browser, work as ever; no socket there leads anywhere else, and not one packet looked for a way. Where the machine gives no namespaces to ordinary users, the
// server and the page are asked all the same.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryHome } from '../src/ledger/testing/sample-run.ts';

const namespaces = process.platform === 'linux' && spawnSync('unshare', ['-rn', 'ip', 'link', 'set', 'lo', 'up']).status === 0;

test('the server and the page work in a namespace without routes', () => {
  const home = temporaryHome(), client = fileURLToPath(new URL('offline-client.ts', import.meta.url)), root = fileURLToPath(new URL('..', import.meta.url));
  cpSync(fileURLToPath(new URL('fixtures/thinker', import.meta.url)), join(home, 'runs', 'small', 'final'), { recursive: true });
  const command = ['exec', '"$0"', '--import', 'tsx', '"$1"', '"$2"'].join(' '), within = namespaces ? ['unshare', '-rn', 'sh', '-c', `ip link set lo up && ${command}`] : ['sh', '-c', command];
  const done = spawnSync(within[0]!, [...within.slice(1), process.execPath, client, home], { cwd: root, encoding: 'utf8' });
  assert.equal(done.status, 0, done.stderr);
  const { remotes, unrouted, ...seen } = JSON.parse(done.stdout) as { remotes: string[]; unrouted: number };
  assert.deepEqual(seen, { status: 200, page: 200, outside: [], stopped: 0, err: '' });
  if (namespaces) assert.deepEqual([remotes, unrouted], [[], 0]); // alone in there, every socket is the server's or its client's
});
