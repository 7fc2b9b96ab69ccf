// Run by serving-offline.test.ts inside a network namespace: starts the server, asks it and its page, and says what it saw,
// with the other end of every socket there is. Argument: the state folder.

import { readFileSync } from 'node:fs';
import { startServer, stopServer } from './serving-process.ts';

const server = await startServer(process.argv[2]!, ['small']);
const answer = await fetch(`${server.url}/v1/chat/completions`, {
  method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ model: 'small', messages: [{ role: 'user', content: 'Today is Friday. Which weekday is it in 2 days?' }] }),
});
const page = await fetch(`${server.url}/`), text = await page.text();
// Lines of /proc/net/tcp: local and remote address of each connection; none yet, or 127.0.0.1 (IPv6-mapped, too).
const near = /^(0+|0100007F|0000000000000000FFFF00000100007F|00000000000000000000000001000000)$/;
const remotes = process.platform !== 'linux' ? [] : ['tcp', 'tcp6', 'udp', 'udp6']
  .flatMap((file) => readFileSync(`/proc/${server.child.pid}/net/${file}`, 'utf8').trim().split('\n').slice(1).map((line) => line.trim().split(/\s+/)[2]!.split(':')[0]!)).filter((address) => !near.test(address));
const outside = [...text.matchAll(/(?:src|href)="(https?:[^"]*)"/g)].map((m) => m[1]);
console.log(JSON.stringify({ status: answer.status, page: page.status, remotes, outside, stopped: await stopServer(server), err: server.err() }));
