// Loading beside llama.cpp and transformers: a random model in bf16, as a Hugging Face folder and as GGUF, each loaded by a
// process of its own that says how long it took and how high its memory rose. A folder must not need twice its size.

import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { llamaFolder } from '../src/evaluation/other-engines.ts';
import { median } from './machine.ts';
import { randomModel } from './random-model.ts';

interface Loaded { readonly seconds: number; readonly start_mib: number; readonly peak_mib: number }

export async function benchLoad(name: string, { threads, python, rounds, place }: { threads: number; python: string | undefined; rounds: number; place: string | undefined }): Promise<Record<string, unknown>> {
  const { folder, gguf, remove } = await randomModel(name, 'BF16', place);
  try {
    const ours = fileURLToPath(new URL('./load-once.ts', import.meta.url)), theirs = fileURLToPath(new URL('./peers/load-llama.js', import.meta.url)), torch = fileURLToPath(new URL('./peers/load.py', import.meta.url));
    const contestants: Record<string, () => Loaded> = {
      folder: () => child(process.execPath, ['--import', 'tsx', ours, folder, String(threads)]),
      gguf: () => child(process.execPath, ['--import', 'tsx', ours, gguf, String(threads)]),
      llama_cpp: () => child(process.execPath, [theirs, gguf, String(threads), llamaFolder]),
      ...(python !== undefined && { transformers: () => child(python, [torch, folder, String(threads)]) }),
    };
    const results: Record<string, Loaded[]> = {}, turns = Object.entries(contestants);
    for (let round = -1; round < rounds; round++) for (let i = 0; i < turns.length; i++) { // the first round fills the page cache; whoever goes first changes
      const [who, load] = turns[(i + Math.max(0, round)) % turns.length]!, loaded = load();
      if (round >= 0) (results[who] ??= []).push(loaded);
    }
    const summary = Object.fromEntries(Object.entries(results).map(([who, all]) => [who, {
      seconds: Number(median(all.map((l) => l.seconds)).toFixed(2)), peak_mib: Math.round(median(all.map((l) => l.peak_mib))), above_start_mib: Math.round(median(all.map((l) => l.peak_mib - l.start_mib))),
    }]));
    return { what: 'load', model: name, threads, rounds, file_mib: Math.round(statSync(gguf).size / 2 ** 20), ...summary };
  } finally {
    remove();
  }
}

function child(command: string, args: readonly string[]): Loaded {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ended with ${status}: ${stderr.slice(-500)}`);
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Loaded;
}
