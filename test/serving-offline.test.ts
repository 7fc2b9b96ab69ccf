// Serving makes no outgoing connection: in a network namespace with nothing but its own loopback everything works as
// ever, and what the process tried to connect to is nothing. Where the machine gives no namespaces to ordinary users, the
// addresses of its sockets are looked at all the same.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryHome } from '../src/ledger/testing/sample-run.ts';

const namespaces = process.platform === 'linux' && spawnSync('unshare', ['-rn', 'true']).status === 0;

test('the server and the page work in a namespace without routes', () => {
  const home = temporaryHome(), script = join(home, 'client.ts');
  cpSync(fileURLToPath(new URL('fixtures/thinker', import.meta.url)), join(home, 'runs', 'small', 'final'), { recursive: true });
  // Runs inside: starts the server, asks it, and looks at every socket there is.
  writeFileSync(script, `
    import { readFileSync } from 'node:fs';
    import { startServer, stopServer } from ${JSON.stringify(new URL('serving-process.ts', import.meta.url).href)};
    const server = await startServer(${JSON.stringify(home)}, ['small']);
    const post = await fetch(server.url + '/v1/chat/completions', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ model: 'small', messages: [{ role: 'user', content: 'Today is Friday. Which weekday is it in 2 days?' }] }) });
    const page = await fetch(server.url + '/');
    // /proc/net/tcp: local and remote address of each connection; 0100007F is 127.0.0.1.
    const remotes = process.platform !== 'linux' ? [] : ['tcp', 'tcp6', 'udp', 'udp6'].flatMap((f) => readFileSync('/proc/' + server.child.pid + '/net/' + f, 'utf8').split('\\n').slice(1)).map((l) => l.trim().split(/\\s+/)[2]?.split(':')[0]).filter((a) => a && !/^0+$/.test(a) && a !== '0100007F' && a !== '0000000000000000FFFF00000100007F');
    const text = await page.text(), outside = [...text.matchAll(/(?:src|href)="(https?:[^"]*)"/g)].map((m) => m[1]);
    console.log(JSON.stringify({ status: post.status, page: page.status, remotes, outside, stopped: await stopServer(server), err: server.err() }));
  `);
  const node = `${process.execPath} --import tsx ${script}`, root = fileURLToPath(new URL('..', import.meta.url));
  const done = spawnSync('sh', ['-c', namespaces ? `exec unshare -rn sh -c 'ip link set lo up; exec ${node}'` : `exec ${node}`], { cwd: root, encoding: 'utf8' });
  assert.equal(done.status, 0, done.stderr);
  const { status, page, outside, stopped, err, remotes } = JSON.parse(done.stdout) as { status: number; page: number; outside: string[]; stopped: number; err: string; remotes: string[] };
  assert.deepEqual({ status, page, outside, stopped, err }, { status: 200, page: 200, outside: [], stopped: 0, err: '' });
  if (namespaces) assert.deepEqual(remotes, []); // alone in there, every socket is the server's or its client's
});
