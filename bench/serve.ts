// The server as its clients see it: time to the first token, tokens a second together, and the time between two tokens
// of a stream, at 1, 8 and 32 streams; and what HTTP costs: processor time of the server's main thread, which computes
// nothing, over that of all its other threads (Linux: /proc/PID/task). The client of the measurement is this process.
// With `pairs` it takes turns with llama.cpp on the same file: ours, theirs, theirs, ours, … Theirs is llama.cpp itself,
// without HTTP (peers/serve-llama.js); --engine llama measures llama.cpp behind our server.

import { basename } from 'node:path';
import { cpus } from 'node:os';
import { llamaFolder } from '../src/evaluation/other-engines.ts';
import { busySeconds, median } from './machine.ts';
import { Peer } from './peer.ts';
import { type Server, startServer } from './server-process.ts';

const newTokens = 64;

/** When the pieces of a streamed answer came, in ms from `begun`. */
interface Streamed { readonly at: readonly number[]; readonly tokens: number }
interface Question { readonly content: string; readonly seed: number; readonly tokens: number }

/** Who is asked; `cpu`: processor seconds of HTTP and of the rest. */
interface Side { readonly name: string; ask(questions: readonly Question[]): Promise<readonly Streamed[]>; cpu(): { readonly main: number; readonly rest: number }; stop(): void | Promise<void> }

/** Begins one answer; `stop` leaves it with what has come. */
export function stream(server: Server, question: Question): { readonly begun: number; readonly answer: Promise<Streamed>; stop(): void } {
  const leaving = new AbortController(), begun = performance.now();
  return { begun, answer: readStream(server, question, leaving.signal), stop: () => leaving.abort() };
}

async function readStream({ url, model }: Server, { content, seed, tokens }: Question, signal: AbortSignal): Promise<Streamed> {
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
  return { at, tokens: counted };
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

  async round(side: Side, streams: number, round: number): Promise<void> {
    const before = side.cpu(), own = process.cpuUsage(), busy = busySeconds(), begun = performance.now();
    const answers = await side.ask(Array.from({ length: streams }, (_, i) => {
      const seed = 10_000 * streams + 100 * round + i;
      return { seed, tokens: newTokens, content: `Question ${seed}: tell me in a few sentences how bread is made, step by step, and what can go wrong.` };
    }));
    const seconds = (performance.now() - begun) / 1000, used = side.cpu(), mine = process.cpuUsage(own), tokens = answers.reduce((n, a) => n + a.tokens, 0);
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
      ...(engine > 0 && { http_cpu_ms_per_1000_tokens: per1000(http), engine_cpu_ms_per_1000_tokens: per1000(engine), http_share: Number((http / engine).toFixed(4)) }),
      other_load: Number(Math.max(0, others / (seconds * cpus().length)).toFixed(2)),
    };
  }
}

const loads = [1, 8, 32];

async function openServer(file: string, threads: number, engine: string): Promise<Side> {
  const server = await startServer(file, { threads, engine, args: ['--slots', '32', '--context', '512'] });
  return { name: engine, ask: (questions) => Promise.all(questions.map((question) => stream(server, question).answer)), cpu: () => server.cpu(), stop: () => server.stop() };
}

async function openLlama(file: string, threads: number): Promise<Side> {
  const peer = new Peer(process.execPath, 'serve-llama.js', [file, String(threads), llamaFolder]);
  const { peer: name } = await peer.ready;
  return { name: String(name), ask: async (questions) => (await peer.ask(JSON.stringify(questions)))['answers'] as Streamed[], cpu: () => ({ main: 0, rest: 0 }), stop: () => peer.close() };
}

export async function benchServe(file: string, { threads, engine, rounds, pairs }: { threads: number; engine: string; rounds: number; pairs: number | null }): Promise<Record<string, unknown>> {
  const sides = [await openServer(file, threads, engine), ...(pairs === null ? [] : [await openLlama(file, threads)])], tallies = sides.map(() => loads.map(() => new Tally()));
  // A server runs for weeks: its code is compiled before anything is counted.
  for (const side of sides) for (let i = 0; i < (pairs === null ? 2 : 1); i++) await new Tally().round(side, 8, 0);
  for (let round = 0; round < (pairs ?? rounds); round++) {
    for (const [l, streams] of loads.entries()) {
      const order = round % 2 === 0 ? sides : [...sides].reverse();
      for (const side of order) {
        const tally = tallies[sides.indexOf(side)]![l]!;
        for (let again = 0; again < (streams === 1 ? 3 : 1); again++) await tally.round(side, streams, 10 * round + again);
        process.stderr.write(`round ${round + 1}, ${side.name}, ${streams} at once: ${tally.rates.at(-1)!.toFixed(1)} tokens/s\n`);
      }
    }
  }
  for (const side of sides) await side.stop();
  const results = tallies.map((tally) => Object.fromEntries(loads.map((n, l) => [`streams_${n}`, tally[l]!.result()])));
  const head = { what: 'serve', model: basename(file), threads, new_tokens: newTokens };
  if (pairs === null) return { ...head, engine, ...results[0] };
  const peer = `${sides[1]!.name}, without HTTP`;
  const rates = (t: number, l: number): readonly number[] => tallies[t]![l]!.rates;
  const ratios = Object.fromEntries(loads.map((n, l) => [`ratio_${n}`, rates(0, l).map((rate, i) => Number((rate / rates(1, l)[i]!).toFixed(3)))]));
  return { ...head, peer, ...ratios, ours: results[0], theirs: results[1] };
}
