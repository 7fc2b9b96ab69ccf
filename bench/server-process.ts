// `tiefsuche serve` as a process of its own, with the processor time of its threads.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { packageRoot } from '../src/ledger/provenance.ts';

export interface Server {
  readonly url: string;
  readonly model: string;
  readonly engine: string;
  /** Processor seconds so far: of the main thread, and of all others together. */
  cpu(): { readonly main: number; readonly rest: number };
  stop(): Promise<void>;
}

/** Processor seconds of every thread; the kernel counts them in nanoseconds. */
function threadSeconds(pid: number): Map<number, number> {
  const folder = `/proc/${pid}/task`;
  return new Map(readdirSync(folder).map((id) => [Number(id), Number(readFileSync(`${folder}/${id}/schedstat`, 'utf8').split(' ')[0]) / 1e9]));
}

export async function startServer(file: string, { threads, args, engine = 'tiefsuche', home }: { threads: number; args: readonly string[]; engine?: string; home?: string }): Promise<Server> {
  const flags = (process.env['BENCH_NODE_FLAGS'] ?? '').split(' ').filter(Boolean); // e.g. --cpu-prof
  const child = spawn(process.execPath, [...flags, '--import', 'tsx', join(packageRoot(), 'src', 'cli', 'main.ts'), 'serve', file, '--port', '0', '--json', '--engine', engine, ...args], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, TIEFSUCHE_THREADS: String(threads), ...(home !== undefined && { TIEFSUCHE_HOME: home }) } });
  process.once('exit', () => child.kill('SIGKILL')); // a measurement that is broken off leaves nothing running
  let url = '';
  for await (const line of createInterface({ input: child.stdout! })) { url = (JSON.parse(line) as { url: string }).url; break; }
  if (url === '') throw new Error('the server did not start; see its message above');
  const pid = child.pid!;
  return {
    url, engine, model: basename(file),
    cpu() {
      const all = threadSeconds(pid), main = all.get(pid)!;
      return { main, rest: [...all.values()].reduce((a, b) => a + b, 0) - main };
    },
    async stop() {
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}
