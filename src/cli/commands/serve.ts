// `tiefsuche serve [MODEL…]`: models behind OpenAI's protocol; on this machine alone, until it has users.
import { basename, resolve } from 'node:path';
import { existsSync } from 'node:fs';
import { TiefsucheError } from '../../errors.ts';
import { resolveTalkingModel } from '../../models/model-path.ts';
import { type CacheType, cacheTypes } from '../../engine/cache-pages.ts';
import type { Precision } from '../../models/compressed.ts';
import { type LogLevel, logLevels } from '../../serving/log.ts';
import { serve as startServer } from '../../serving/server.ts';
import type { Command } from '../command.ts';
import { commandLine } from '../command-line.ts';
import { precisionOption, wholeNumber } from '../option-values.ts';
import { chosenModel } from './chat.ts';

interface Options { host: string; port: number; name?: string[]; trustProxy?: string[]; trustHeader?: string; engine?: 'tiefsuche' | 'llama'; audit?: boolean; auditText?: boolean; log: LogLevel; slots: number; context?: number; cacheMib: number; maxQueue: number; timeLimit: number; grace: number; precision: Precision; cache?: CacheType; besideTraining: number }

/** A run is called by its name; a path by its last part. */
const idOf = (name: string): string => (existsSync(resolve(name)) ? basename(resolve(name)) : name);

/** Resolves when the process is told to stop; a second signal ends it at once. */
function signalled(): Promise<void> {
  return new Promise((done) => {
    let first = true;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {
      if (!first) process.exit(130);
      first = false;
      done();
    });
  });
}

export const serve: Command = {
  name: 'serve',
  summary: 'answer over HTTP as OpenAI\'s API does',
  arguments: [{ name: '[models...]', text: 'run names, Hugging Face folders or GGUF files; the quickstart by default' }],
  options: [
    { flags: '--port <n>', text: '0 takes any that is free', fallback: 8642, parse: wholeNumber('--port', { max: 65535 }) },
    { flags: '--host <address>', text: 'address to listen on; others than the loopback need users', fallback: '127.0.0.1' },
    { flags: '--name <host...>', text: 'further names under which it is reached; needs users' },
    { flags: '--trust-proxy <address...>', text: 'reverse proxies whose X-Forwarded-For and -Proto are believed' },
    { flags: '--trust-header <name>', text: 'header in which those proxies say who the user is' },
    { flags: '--slots <n>', text: 'answers computed at once', fallback: 8, parse: wholeNumber('--slots', { min: 1, max: 256 }) },
    { flags: '--context <n>', text: 'longest prompt plus answer in tokens; what the model can by default, 8192 at most', parse: wholeNumber('--context', { min: 2 }) },
    { flags: '--cache-mib <n>', text: 'memory of a model for keys and values', fallback: 1024, parse: wholeNumber('--cache-mib', { min: 1 }) },
    { flags: '--cache <how>', choices: cacheTypes, text: 'keys and values in f32 (ours by default), or in half (llama.cpp by default) or about a quarter of the memory' },
    { flags: '--max-queue <n>', text: 'answers that may wait; more are told to come again (429)', fallback: 64, parse: wholeNumber('--max-queue') },
    { flags: '--time-limit <seconds>', text: 'for one request, waiting included', fallback: 600, parse: wholeNumber('--time-limit', { min: 1 }) },
    { flags: '--grace <seconds>', text: 'for open answers when the server is told to stop', fallback: 5, parse: wholeNumber('--grace') },
    { flags: '--beside-training <percent>', text: 'of the time, for answers while a run trains on this machine', fallback: 25, parse: wholeNumber('--beside-training', { min: 1, max: 100 }) },
    { flags: '--engine <name>', text: 'tiefsuche, or llama for llama.cpp; without it llama.cpp takes only what ours cannot read', choices: ['tiefsuche', 'llama'] },
    { flags: '--audit', text: 'keep a record of every answer: time, user, model, tokens, energy; no texts' },
    { flags: '--audit-text', text: 'the same with the texts of questions and answers' },
    { flags: '--log <level>', text: 'JSON lines on stderr, one for each request from `info` on; never with texts', choices: logLevels, fallback: 'warn' },
    precisionOption('file'),
  ],
  reports: true,
  examples: [
    { line: 'tiefsuche serve', text: 'the quickstart model at http://127.0.0.1:8642/v1' },
    { line: 'tiefsuche serve quickstart model.gguf --port 0 --json', text: 'two models; one line of JSON with the URL when they are ready' },
  ],
  async run({ args, options, json, terminal }) {
    const { host, port, name: hostNames = [], trustProxy = [], trustHeader = null, engine = null, audit, auditText, log, slots, context, cacheMib, maxQueue, timeLimit, grace, precision, cache = null, besideTraining } = options as unknown as Options;
    const named = (args[0] ?? []) as unknown as string[], names = named.length > 0 ? named : [chosenModel(undefined)];
    const models = names.map((name) => ({ id: idOf(name), path: resolveTalkingModel(name) }));
    if (trustHeader !== null && trustProxy.length === 0) throw new TiefsucheError('USAGE', '--trust-header needs --trust-proxy: anyone can send a header', { hint: 'Name the addresses from which the proxy speaks, e.g. --trust-proxy 127.0.0.1.' });
    const stopped = signalled();
    const server = await startServer({ models, host, port, names: hostNames, proxies: { header: trustHeader, addresses: trustProxy }, log, engineName: engine, audit: auditText ? 'texts' : audit ? 'figures' : null, maxQueue, timeLimit, grace, commandLine: commandLine(), engine: { precision, slots, context: context ?? null, cacheBytes: cacheMib * 2 ** 20, cache, besideTraining: besideTraining / 100 } })
      .catch((error: NodeJS.ErrnoException) => { throw error.code === 'EACCES' ? new TiefsucheError('USAGE', `port ${port} may not be used by this user`, { hint: 'Choose one above 1023.' }) : error; });
    if (json) terminal.print(JSON.stringify({ url: server.url, models: models.map((m) => m.id) }));
    else {
      const { out } = terminal;
      terminal.print(`${out.bold(`${server.url}/v1`)} answers for ${models.map((m) => out.bold(m.id)).join(', ')}. Ctrl-C stops it.`);
      terminal.print(out.dim(`curl ${server.url}/v1/chat/completions -H 'Content-Type: application/json' -d '{"model": "${models[0]!.id}", "messages": [{"role": "user", "content": "…"}]}'`));
    }
    await stopped;
    await server.stop();
  },
};
