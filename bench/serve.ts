// The server as its clients see it: time to the first token, tokens a second together, and the time between two tokens
// of a stream, at 1, 8 and 32 streams; and what HTTP costs: processor time of the server's main thread, which computes
// nothing, over that of all its other threads (Linux: /proc/PID/task). The client of the measurement is this process.
// With `pairs` our engine and llama.cpp behind the same server take turns on one file: ours, theirs, theirs, ours, …

import { basename } from 'node:path';
import { cpus } from 'node:os';
import { busySeconds, median } from './machine.ts';
import { type Server, startServer } from './server-process.ts';

const newTokens = 64;

/** When the pieces of a streamed answer came, in ms from `begun`. */
interface Streamed { readonly begun: number; readonly at: readonly number[]; readonly tokens: number }

/** Begins one answer; `stop` leaves it with what has come. */
export function stream(server: Server, question: { readonly content: string; readonly seed: number; readonly tokens: number }): { readonly answer: Promise<Streamed>; stop(): void } {
  const leaving = new AbortController();
  return { answer: readStream(server, question, leaving.signal), stop: () => leaving.abort() };
}

async function readStream({ url, model }: Server, { content, seed, tokens }: { content: string; seed: number; tokens: number }, signal: AbortSignal): Promise<Streamed> {
  const begun = performance.now();
  const answer = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST', headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ model, stream: true, stream_options: { include_usage: true }, max_completion_tokens: tokens, seed, messages: [{ role: 'user', content }] }), signal,
  });
  if (!answer.ok) throw new Error(await answer.text());
  let held = '', counted = 0;
  const at: number[] = [], decoder = new TextDecoder();
  const pieces = (async function* () {
    try { yield* answer.body as unknown as AsyncIterable<Uint8Array>; } catch (error) { if (!signal.aborted) throw error; }
  })();
  for await (const bytes of pieces) {
    const now = performance.now() - begun, parts = (held + decoder.decode(bytes, { stream: true })).split('\n\n');
    held = parts.pop()!;
    for (const part of parts) {
      if (!part.startsWith('data: {')) continue;
      const { choices: [choice], usage } = JSON.parse(part.slice(6)) as { choices: { delta: { content?: string; reasoning?: string } }[]; usage?: { completion_tokens: number } | null };
      if (usage) counted = usage.completion_tokens;
      if (choice?.delta.content || choice?.delta.reasoning) at.push(now); // a piece for every token, but where one ends inside a character
    }
  }
  return { begun, at, tokens: counted };
}

export const gaps = (at: readonly number[]): number[] => at.slice(1).map((t, i) => t - at[i]!);

export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Number((sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0).toFixed(1));
}

/** What `streams` clients at once saw, all rounds together. */
class Tally {
  readonly firsts: number[] = [];
  readonly between: number[] = [];
  readonly rates: number[] = [];
  private tokens = 0;
  private http = 0;
  private engine = 0;
  private others = 0;
  private seconds = 0;

  async round(server: Server, streams: number, round: number): Promise<void> {
    const before = server.cpu(), own = process.cpuUsage(), busy = busySeconds(), begun = performance.now();
    const answers = await Promise.all(Array.from({ length: streams }, (_, i) => {
      const seed = 1000 * streams + 100 * round + i;
      return stream(server, { seed, tokens: newTokens, content: `Question ${seed}: tell me in a few sentences how bread is made, step by step, and what can go wrong.` }).answer;
    }));
    const seconds = (performance.now() - begun) / 1000, used = server.cpu(), mine = process.cpuUsage(own), tokens = answers.reduce((n, a) => n + a.tokens, 0);
    for (const { at } of answers) { this.firsts.push(at[0]!); this.between.push(...gaps(at)); }
    const http = used.main - before.main, engine = used.rest - before.rest;
    this.rates.push(tokens / seconds);
    this.tokens += tokens;
    this.http += http;
    this.engine += engine;
    this.seconds += seconds;
    this.others += busySeconds() - busy - http - engine - (mine.user + mine.system) / 1e6;
  }

  result(): Record<string, unknown> {
    const { firsts, between, rates, tokens, http, engine, others, seconds } = this, per1000 = (cpu: number): number => Number(((cpu * 1e6) / tokens).toFixed(1));
    return {
      first_token_ms: { p50: quantile(firsts, 0.5), p95: quantile(firsts, 0.95) }, tokens_per_s: Number(median(rates).toFixed(1)), rounds: rates.length,
      between_tokens_ms: { p50: quantile(between, 0.5), p95: quantile(between, 0.95), p99: quantile(between, 0.99) },
      http_cpu_ms_per_1000_tokens: per1000(http), engine_cpu_ms_per_1000_tokens: per1000(engine), http_share: Number((http / engine).toFixed(4)),
      other_load: Number(Math.max(0, others / (seconds * cpus().length)).toFixed(2)),
    };
  }
}

const loads = [1, 8, 32];

export async function benchServe(file: string, { threads, engine, rounds, pairs }: { threads: number; engine: string; rounds: number; pairs: number | null }): Promise<Record<string, unknown>> {
  const open = (name: string): Promise<Server> => startServer(file, { threads, args: ['--slots', '32', '--context', '512', '--engine', name] });
  const servers = pairs === null ? [await open(engine)] : [await open('tiefsuche'), await open('llama')], tallies = servers.map(() => loads.map(() => new Tally()));
  // A server runs for weeks: its code is compiled before anything is counted.
  for (const server of servers) for (let i = 0; i < 3; i++) await new Tally().round(server, 8, 0);
  for (let round = 0; round < (pairs ?? rounds); round++) {
    for (const [l, streams] of loads.entries()) {
      const order = round % 2 === 0 ? servers : [...servers].reverse();
      for (const server of order) await tallies[servers.indexOf(server)]![l]!.round(server, streams, round);
    }
  }
  for (const server of servers) await server.stop();
  const results = tallies.map((tally) => Object.fromEntries(loads.map((n, l) => [`streams_${n}`, tally[l]!.result()])));
  const head = { what: 'serve', model: basename(file), threads, new_tokens: newTokens };
  if (pairs === null) return { ...head, engine, ...results[0] };
  const ratios = Object.fromEntries(loads.map((n, l) => [`ratio_${n}`, tallies[0]![l]!.rates.map((rate, i) => Number((rate / tallies[1]![l]!.rates[i]!).toFixed(3)))]));
  return { ...head, peer: 'llama.cpp behind the same server', ...ratios, ours: results[0], theirs: results[1] };
}
