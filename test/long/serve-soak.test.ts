// A bounded soak: 5,000 short requests, 32 at a time, a tenth of whose clients leave in the middle, some malformed, some
// oversize, and a SIGTERM with a restart half-way. Nothing crashes, no slot leaks, and memory is flat after warm-up.
// SOAK_REQUESTS makes it shorter.

import { after, test } from 'node:test';
import assert from 'node:assert/strict';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { random } from '../../src/engine/random.ts';
import { temporaryHome } from '../../src/ledger/testing/sample-run.ts';
import { type Running, killServers, startServer, stopServer } from '../serving-process.ts';

const requests = Number(process.env['SOAK_REQUESTS'] ?? 5000), atOnce = 32;
const rssMiB = ({ child }: Running): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))![1]) / 1024;
const pending = async ({ url }: Running): Promise<number> => Number(/tiefsuche_choices_pending\{model="small"\} (\d+)/.exec(await (await fetch(`${url}/metrics`)).text())![1]);

test(`${requests} requests, ${atOnce} at a time, with everything that can go wrong`, async () => {
  const home = temporaryHome(), seen = new Map<string, number>(), memory: number[] = [];
  cpSync(fileURLToPath(new URL('../fixtures/thinker', import.meta.url)), join(home, 'runs', 'small', 'final'), { recursive: true });
  // V8 lets its heap grow before it looks for garbage: within 96 MiB it must look, and a leak would end the server.
  const begin = (): Promise<Running> => startServer(home, ['small'], ['--max-queue', '64', '--audit', '--grace', '1'], ['env', 'NODE_OPTIONS=--max-old-space-size=96 --max-semi-space-size=4']);
  let server = await begin(), restarting: Promise<void> | null = null, down = false;

  const one = async (n: number): Promise<string> => {
    const draw = (k: number): number => random(1, n, k) % 100, kind = draw(0), aborter = new AbortController();
    const ask = { model: 'small', seed: n, stream: draw(1) < 50, messages: [{ role: 'user', content: `Today is Friday. Which weekday is it in ${draw(2)} days?` }], max_completion_tokens: 24, n: 1 + (draw(3) % 2) };
    const body = kind < 3 ? '{"model": ' : kind < 5 ? JSON.stringify({ ...ask, messages: [{ role: 'user', content: 'x'.repeat(3_000_000) }] }) : kind < 8 ? JSON.stringify({ ...ask, temperature: 'hot' }) : JSON.stringify(ask);
    const leaves = kind >= 90;
    if (leaves) setTimeout(() => aborter.abort(), draw(4));
    try {
      const answer = await fetch(`${server.url}/v1/chat/completions`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body, signal: aborter.signal }), text = await answer.text();
      const expected = kind < 3 || (kind >= 5 && kind < 8) ? [400, 503] : kind < 5 ? [413, 503] : [200, 429, 503];
      assert.ok(expected.includes(answer.status), `request ${n} (${kind}): ${answer.status} ${text.slice(0, 200)}`);
      if (answer.status === 200 && ask.stream) assert.match(text, /data: \[DONE\]\n\n$/);
      if (answer.status === 200 && !ask.stream) assert.equal((JSON.parse(text) as { choices: unknown[] }).choices.length, ask.n);
      return String(answer.status);
    } catch (error) {
      if (leaves && aborter.signal.aborted) return 'left';
      if (down && !(error instanceof assert.AssertionError)) return 'while it restarted';
      throw error;
    }
  };

  let next = 0, done = 0;
  await Promise.all(Array.from({ length: atOnce }, async () => {
    while (next < requests) {
      const n = next++;
      if (n === Math.floor(requests / 2)) {
        restarting = (async () => {
          down = true;
          const old = server;
          assert.equal(await stopServer(old), 0, old.err());
          assert.equal(old.err(), '');
          server = await begin();
          down = false;
        })();
      }
      if (restarting && down) await restarting;
      const how = await one(n);
      seen.set(how, (seen.get(how) ?? 0) + 1);
      if (++done % Math.ceil(requests / 20) === 0 && !down) memory.push(rssMiB(server));
    }
  }));
  await restarting;
  for (let i = 0; i < 100 && await pending(server) > 0; i++) await new Promise((r) => { setTimeout(r, 20); });
  assert.equal(await pending(server), 0, 'no slot leaked');
  assert.equal(server.err(), '');
  const end = memory.at(-1)!, warm = memory[Math.ceil(memory.length * 0.75) - 1]!;
  console.log(`# ${JSON.stringify(Object.fromEntries(seen))}; MiB: ${memory.map((m) => m.toFixed(0)).join(' ')}`);
  assert.ok(end - warm < 24, `memory grew from ${warm.toFixed(0)} to ${end.toFixed(0)} MiB`);
  assert.ok((seen.get('200') ?? 0) > requests / 3 && (seen.get('left') ?? 0) > 0 && (seen.get('413') ?? 0) > 0);
  assert.equal(await stopServer(server), 0);
});

after(killServers);
