// Loading beside llama.cpp and transformers: a random model in bf16, as a Hugging Face folder and as GGUF, each loaded by a
// process of its own that says how long it took and how high its memory rose. A folder must not need twice its size.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { llamaFolder } from '../src/evaluation/other-engines.ts';
import { exportGguf } from '../src/models/export-gguf.ts';
import { openExportSource } from '../src/models/export-source.ts';
import { saveModelFolder } from '../src/models/formats/hf-folder.ts';
import { architectureOf } from '../src/models/index.ts';
import { charTokenizer } from '../src/tokenizer/char-tokenizer.ts';
import { median } from './machine.ts';
import { benchModels } from './models.ts';

interface Loaded { readonly seconds: number; readonly start_mib: number; readonly peak_mib: number }

/** Quick random weights: what they are matters to nobody here. */
function noise(count: number, seed: number): Float32Array {
  const values = new Float32Array(count);
  for (let i = 0, x = seed * 2654435761 + 1; i < count; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) | 0;
    values[i] = x * 2 ** -36; // up to 0.03
  }
  return values;
}

export async function benchLoad(name: string, { threads, python, rounds }: { threads: number; python: string | undefined; rounds: number }): Promise<Record<string, unknown>> {
  const place = mkdtempSync(join(tmpdir(), 'tiefsuche-load-')), folder = join(place, 'model'), gguf = join(place, 'model.gguf');
  try {
    const config = benchModels[name]!.config as unknown as { model_type: string } & Record<string, unknown>, { model_type } = config;
    const specs = architectureOf(model_type).parameters(config), { tokenizerJson, tokenizerConfig } = charTokenizer([...'abc'], { tokens: ['<e>', '<u>'], eos: '<e>', unk: '<u>' });
    const tensors = specs.map((s, i) => ({ name: s.name, shape: s.shape, dtype: 'BF16' as const, data: () => noise(s.shape.reduce((a, b) => a * b, 1), i) }));
    await saveModelFolder(folder, { config: { ...config, torch_dtype: 'bfloat16' }, tensors, tokenizerJson, tokenizerConfig });
    const source = openExportSource(folder);
    try { await exportGguf(source, gguf, 'BF16'); } finally { source.close(); }

    const ours = fileURLToPath(new URL('./load-once.ts', import.meta.url)), theirs = fileURLToPath(new URL('./peers/load-llama.js', import.meta.url)), torch = fileURLToPath(new URL('./peers/load.py', import.meta.url));
    const contestants: Record<string, () => Loaded> = {
      folder: () => child(process.execPath, ['--import', 'tsx', ours, folder, String(threads)]),
      gguf: () => child(process.execPath, ['--import', 'tsx', ours, gguf, String(threads)]),
      llama_cpp: () => child(process.execPath, [theirs, gguf, String(threads), llamaFolder]),
      ...(python !== undefined && { transformers: () => child(python, [torch, folder, String(threads)]) }),
    };
    const results: Record<string, Loaded[]> = {};
    for (let round = -1; round < rounds; round++) for (const [who, load] of Object.entries(contestants)) { // the first round fills the page cache
      const loaded = load();
      if (round >= 0) (results[who] ??= []).push(loaded);
    }
    const summary = Object.fromEntries(Object.entries(results).map(([who, all]) => [who, {
      seconds: Number(median(all.map((l) => l.seconds)).toFixed(2)), peak_mib: Math.round(median(all.map((l) => l.peak_mib))), above_start_mib: Math.round(median(all.map((l) => l.peak_mib - l.start_mib))),
    }]));
    return { what: 'load', model: name, threads, rounds, file_mib: Math.round(statSync(gguf).size / 2 ** 20), ...summary };
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

function child(command: string, args: readonly string[]): Loaded {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ended with ${status}: ${stderr.slice(-500)}`);
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Loaded;
}
