// What others notice of a busy server. While it reads a prompt of 4,000 tokens: how long /health takes to answer, and the
// longest gap in a stream that runs beside it. While one chat streams: what a trainer at low priority, in a process of its
// own as the studio starts it, loses of its steps; in turns of eight seconds, without and with the chat.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { setPriority, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { packageRoot } from '../src/ledger/provenance.ts';
import { readMetrics } from '../src/runs/run-folder-metrics.ts';
import { median } from './machine.ts';
import { gaps, quantile, stream } from './serve.ts';
import { type Server, startServer } from './server-process.ts';

const round = (x: number, digits = 1): number => Number(x.toFixed(digits));

/** About 4,000 tokens of English, different each time: nothing of it is in the cache. */
const longText = (n: number): string => Array.from({ length: 400 }, (_, i) => `Item ${n}-${i}: flour, water, salt.`).join(' ');

async function besideAPrompt(server: Server, n: number): Promise<{ health: number[]; gaps: number[]; promptTokens: number; seconds: number }> {
  const running = stream(server, { content: `Story ${n}: tell me a long story about bread.`, seed: n, tokens: 4000 });
  await pause(1500);
  const health: number[] = [], begun = performance.now();
  let reading = true;
  const long = fetch(`${server.url}/v1/chat/completions`, {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ model: server.model, max_completion_tokens: 1, messages: [{ role: 'user', content: longText(n) }] }),
  }).then(async (answer) => (await answer.json()) as { usage: { prompt_tokens: number } }).finally(() => { reading = false; });
  while (reading) {
    const asked = performance.now();
    await (await fetch(`${server.url}/health`)).text();
    health.push(performance.now() - asked);
    await pause(10);
  }
  const seconds = (performance.now() - begun) / 1000, { usage } = await long, from = begun, to = performance.now();
  running.stop();
  const { at } = await running.answer, origin = running.begun, during = at.filter((t) => t + origin >= from && t + origin <= to);
  return { health, gaps: gaps(during), promptTokens: usage.prompt_tokens, seconds };
}

/** Steps a second of a trainer while `work` goes on. */
async function stepsDuring(metrics: string, work: () => Promise<unknown>): Promise<number> {
  const before = readMetrics(metrics).length, begun = performance.now();
  await work();
  return (readMetrics(metrics).length - before) / ((performance.now() - begun) / 1000);
}

const turnSeconds = 8, serverArgs = ['--slots', '4', '--context', '8192'];

async function besideATrainer(server: Server, home: string, threads: number, turns: number): Promise<{ alone: number[]; beside: number[]; chatTokensPerSecond: number[]; chatAlone: number }> {
  const metrics = join(home, 'runs', 'quickstart', 'metrics.jsonl');
  const chat = async (seed: number): Promise<number> => {
    const begun = performance.now();
    let tokens = 0;
    while (performance.now() - begun < turnSeconds * 1000) tokens += (await stream(server, { content: `Question ${seed}: how is bread made?`, seed, tokens: 64 }).answer).tokens;
    return tokens / ((performance.now() - begun) / 1000);
  };
  const chatAlone = await chat(1), alone: number[] = [], beside: number[] = [], chatTokensPerSecond: number[] = [];
  const trainer: ChildProcess = spawn(process.execPath, ['--import', 'tsx', join(packageRoot(), 'src', 'cli', 'main.ts'), 'train', join(packageRoot(), 'recipes', 'quickstart.yaml')], { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, TIEFSUCHE_HOME: home, TIEFSUCHE_THREADS: String(threads) } });
  setPriority(trainer.pid!, 10);
  try {
    while (readMetrics(metrics).length < 20) {
      if (trainer.exitCode !== null) throw new Error('the trainer ended; see its message above');
      await pause(200);
    }
    await pause(3000); // the server looks every two seconds
    for (let turn = 0; turn < turns; turn++) {
      alone.push(await stepsDuring(metrics, () => pause(turnSeconds * 1000)));
      beside.push(await stepsDuring(metrics, async () => { chatTokensPerSecond.push(await chat(turn + 2)); }));
    }
  } finally {
    const ended = once(trainer, 'exit');
    trainer.kill('SIGKILL');
    await ended;
  }
  return { alone, beside, chatTokensPerSecond, chatAlone };
}

type Settings = { readonly threads: number; readonly rounds: number };

export async function benchBesidePrompt(file: string, { threads, rounds }: Settings): Promise<Record<string, unknown>> {
  const server = await startServer(file, { threads, args: serverArgs }), health: number[] = [], between: number[] = [], speeds: number[] = [];
  let promptTokens = 0;
  try {
    await stream(server, { content: 'Hello', seed: 0, tokens: 64 }).answer;
    for (let n = 0; n < rounds; n++) {
      const seen = await besideAPrompt(server, n);
      health.push(...seen.health);
      between.push(...seen.gaps);
      speeds.push(seen.promptTokens / seen.seconds);
      ({ promptTokens } = seen);
    }
    const told = (ms: readonly number[]): Record<string, number> => ({ n: ms.length, p50: quantile(ms, 0.5), p99: quantile(ms, 0.99), max: quantile(ms, 1) });
    return { what: 'serve-prompt', model: basename(file), threads, prompt_tokens: promptTokens, prompt_tokens_per_s: round(median(speeds)), health_ms: told(health), stream_gap_ms: told(between) };
  } finally {
    await server.stop();
  }
}

export async function benchBesideTrainer(file: string, { threads, rounds }: Settings): Promise<Record<string, unknown>> {
  const home = mkdtempSync(join(tmpdir(), 'tiefsuche-bench-')), server = await startServer(file, { threads, args: serverArgs, home }); // it looks there for runs that train
  try {
    const { alone, beside, chatTokensPerSecond, chatAlone } = await besideATrainer(server, home, threads, 1 + rounds);
    return {
      what: 'serve-trainer', model: basename(file), threads, trainer_steps_per_s: { alone: alone.map((x) => round(x, 2)), beside_a_chat: beside.map((x) => round(x, 2)) }, trainer_loses: alone.map((rate, i) => round(1 - beside[i]! / rate, 3)),
      chat_tokens_per_s: { alone: round(chatAlone), beside_a_trainer: chatTokensPerSecond.map((x) => round(x)) },
    };
  } finally {
    await server.stop();
    rmSync(home, { recursive: true, force: true });
  }
}
