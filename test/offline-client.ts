// Run by serving-offline.test.ts inside a network namespace: starts the server, asks it and its page, and says what it saw,
// with the other end of every socket there is and how many packets found no way out; then a browser asks the page the same.
// Argument: the state folder.

import { readFileSync } from 'node:fs';
import { openBrowser } from './browser.ts';
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
// What anyone in here tried to send elsewhere, since the namespace began. (A name server on the loopback would hide names that are looked up.)
const [names, counts] = process.platform !== 'linux' ? ['', ''] : readFileSync('/proc/net/snmp', 'utf8').split('\n').filter((line) => line.startsWith('Ip: ')) as [string, string];
const six = process.platform !== 'linux' ? '' : readFileSync('/proc/net/snmp6', 'utf8');
const unrouted = Number(counts.split(' ')[names.split(' ').indexOf('OutNoRoutes')] ?? 0) + Number(/^Ip6OutNoRoutes\s+(\d+)/m.exec(six)?.[1] ?? 0);

// Chromium itself looks for updates, so its packets are not counted: what the page does is.
const browser = await openBrowser(), tab = await (await browser.newContext({ locale: 'en-GB' })).newPage(), asked: string[] = [];
tab.on('request', (request) => { if (!request.url().startsWith(server.url) && !request.url().startsWith('data:')) asked.push(request.url()); });
await tab.goto(server.url);
await tab.locator('button[aria-label=Send]:not([disabled])').waitFor();
await tab.getByRole('textbox', { name: 'Message' }).fill('Today is Friday. Which weekday is it in 2 days?');
await tab.keyboard.press('Enter');
await tab.locator('.actions').waitFor();
await browser.close();
console.log(JSON.stringify({ status: answer.status, page: page.status, remotes, unrouted, outside: [...outside, ...asked], stopped: await stopServer(server), err: server.err() }));
