// The server as its clients see it: time to the first token, tokens a second together, and the time between two tokens
// of a stream, at 1, 8 and 32 streams; and what HTTP costs: processor time of the server's main thread, which computes
// nothing, beside that of the whole process (Linux: /proc/PID/task). The client of the measurement is this process.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { packageRoot } from '../src/ledger/provenance.ts';
import { cpus } from 'node:os';
import { busySeconds } from './machine.ts';

const newTokens = 64;

/** Processor seconds of a process, or of one of its threads. */
function cpuSeconds(path: string): number {
  const fields = readFileSync(path, 'utf8').replace(/^.*\) /, '').split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100; // USER_HZ is 100 on every Linux that Node runs on
}

const quantile = (sorted: readonly number[], q: number): number => Number((sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0).toFixed(1));

/** One answer, streamed; the moments its pieces came. */
async function stream(url: string, model: string, n: number): Promise<{ first: number; gaps: number[]; tokens: number }> {
  const begun = performance.now();
  const answer = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST', headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ model, stream: true, stream_options: { include_usage: true }, max_completion_tokens: newTokens, seed: n, messages: [{ role: 'user', content: `Question ${n}: tell me in a few sentences how bread is made, step by step, and what can go wrong.` }] }),
  });
  if (!answer.ok) throw new Error(await answer.text());
  let last = 0, first = 0, held = '', tokens = 0;
  const gaps: number[] = [], decoder = new TextDecoder();
  for await (const bytes of answer.body as unknown as AsyncIterable<Uint8Array>) {
    const now = performance.now(), parts = (held + decoder.decode(bytes, { stream: true })).split('\n\n');
    held = parts.pop()!;
    for (const part of parts) {
      if (!part.startsWith('data: {')) continue;
      const { choices: [choice], usage } = JSON.parse(part.slice(6)) as { choices: { delta: { content?: string; reasoning?: string } }[]; usage?: { completion_tokens: number } | null };
      if (usage) tokens = usage.completion_tokens;
      if (!choice?.delta.content && !choice?.delta.reasoning) continue; // a piece for every token, but where one ends inside a character
      if (first === 0) first = now - begun;
      else gaps.push(now - last);
      last = now;
    }
  }
  return { first, gaps, tokens };
}

export async function benchServe(file: string, { threads, engine, rounds }: { threads: number; engine: string; rounds: number }): Promise<Record<string, unknown>> {
  const child = spawn(process.execPath, ['--import', 'tsx', join(packageRoot(), 'src', 'cli', 'main.ts'), 'serve', file, '--port', '0', '--json', '--slots', '32', '--context', '512', '--engine', engine], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, TIEFSUCHE_THREADS: String(threads) } });
  let url = '';
  for await (const line of createInterface({ input: child.stdout! })) { url = (JSON.parse(line) as { url: string }).url; break; }
  const model = basename(file), all = `/proc/${child.pid}/stat`, main = `/proc/${child.pid}/task/${child.pid}/stat`, results: Record<string, unknown> = {};
  await stream(url, model, 0);
  for (const streams of [1, 8, 32]) {
    const own = process.cpuUsage(), busy = busySeconds(), firsts: number[] = [], gaps: number[] = [], before = [cpuSeconds(all), cpuSeconds(main)] as const, begun = performance.now();
    let tokens = 0;
    for (let round = 0; round < (streams === 1 ? 3 * rounds : rounds); round++) {
      for (const one of await Promise.all(Array.from({ length: streams }, (_, i) => stream(url, model, 1000 * streams + 100 * round + i)))) {
        firsts.push(one.first);
        gaps.push(...one.gaps);
        tokens += one.tokens;
      }
    }
    const seconds = (performance.now() - begun) / 1000, [total, http] = [cpuSeconds(all) - before[0], cpuSeconds(main) - before[1]];
    const used = process.cpuUsage(own), others = busySeconds() - busy - total! - (used.user + used.system) / 1e6;
    firsts.sort((a, b) => a - b);
    gaps.sort((a, b) => a - b);
    results[`streams_${streams}`] = {
      first_token_ms: { p50: quantile(firsts, 0.5), p95: quantile(firsts, 0.95) }, tokens_per_s: Number((tokens / seconds).toFixed(1)),
      between_tokens_ms: { p50: quantile(gaps, 0.5), p95: quantile(gaps, 0.95), p99: quantile(gaps, 0.99) },
      http_cpu_ms_per_1000_tokens: Number(((http * 1e6) / tokens).toFixed(1)), cpu_ms_per_1000_tokens: Math.round((total * 1e6) / tokens), http_share: Number((http / total).toFixed(4)), other_load: Number(Math.max(0, others / (seconds * cpus().length)).toFixed(2)),
    };
  }
  child.kill('SIGTERM');
  await once(child, 'exit');
  return { model, engine, threads, new_tokens: newTokens, ...results };
}
