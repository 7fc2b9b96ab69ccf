// Greedy decoding with random weights. In f32, as training samples, beside transformers: prompts of 64 tokens, 128 new ones
// each. Or from a GGUF file in a few bits, as chat decodes, beside llama.cpp on the same file: prompts of 16 tokens, 64 new.

import { CpuBackend } from '../src/engine/backends/cpu/cpu.ts';
import { Arena } from '../src/engine/program.ts';
import { readBandwidth } from '../src/engine/speed.ts';
import { llamaFolder } from '../src/evaluation/other-engines.ts';
import type { GgufFormat } from '../src/models/formats/gguf-quantize.ts';
import { loadModel, openModelFiles } from '../src/models/load.ts';
import { Model } from '../src/models/model.ts';
import { Rollout } from '../src/reasoning/rollout.ts';
import { median, statusMiB, timed } from './machine.ts';
import { benchModels } from './models.ts';
import { summarise, takeTurns } from './pairs.ts';
import { Peer } from './peer.ts';
import { randomModel } from './random-model.ts';

const wide = { promptLength: 64, newTokens: 128 }, fewBits = { promptLength: 16, newTokens: 64 };

interface Bench { readonly newTokens: number;  readonly backend: CpuBackend; readonly model: Model; round(): Promise<void>; close(): void }

/** @param file a GGUF file or folder to decode from as it is stored; random weights in f32 without one */
async function openGenerate(name: string, threads: number, batch: number, file?: string): Promise<Bench> {
  const backend = new CpuBackend(), { promptLength, newTokens } = file === undefined ? wide : fewBits;
  backend.setThreads(threads);
  const model = file === undefined ? randomWeights(backend, name) : fromFile(backend, file);
  const arena = new Arena(backend), rollout = new Rollout(model, arena, { maxRows: batch, maxTokens: promptLength + newTokens, ...(file !== undefined && { cache: 'f16' }) });
  await rollout.refresh();
  const prompts = Array.from({ length: batch }, (_, b) => Int32Array.from({ length: promptLength }, (__, i) => (b * 131 + i * 17) % model.dims.vocab));
  return {
    backend, model, newTokens,
    round: async () => { await rollout.generate(prompts.map((prompt) => ({ prompt, maxNew: newTokens, streams: [0] })), { stops: [], settings: { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0 } }); },
    close: () => { rollout.close(); arena.close(); model.close(); backend.close(); },
  };
}

function randomWeights(backend: CpuBackend, name: string): Model {
  const model = new Model(backend, benchModels[name]!.config, { maxPositions: 256 });
  model.parameters.initialise(0);
  return model;
}

function fromFile(backend: CpuBackend, path: string): Model {
  const files = openModelFiles(path);
  try { return loadModel(backend, files, { precision: 'file', absorbed: true, maxPositions: 256 }); } finally { files.close(); }
}

export async function benchGenerate(name: string, { threads, batch, rounds }: { threads: number; batch: number; rounds: number }): Promise<Record<string, unknown>> {
  const { backend, model, newTokens, round, close } = await openGenerate(name, threads, batch);
  const bandwidth = await readBandwidth(backend), rates: number[] = [], loads: number[] = [];
  await round();
  for (let i = 0; i < rounds; i++) {
    const { seconds, otherLoad } = await timed(round);
    rates.push((batch * newTokens) / seconds);
    if (otherLoad !== null) loads.push(otherLoad);
  }
  const rate = median(rates), bytes = model.packedBytes();
  close();
  return {
    model: name, isa: backend.info().isa, threads, batch, tokens_per_s: Number(rate.toFixed(1)), read_gb_per_s: Number((bandwidth / 1e9).toFixed(1)),
    share_of_read_bandwidth: Number(((bytes * rate) / batch / bandwidth).toFixed(3)), peak_rss_mib: Math.round(statusMiB('VmHWM')), other_load: loads.length > 0 ? Number(median(loads).toFixed(3)) : null,
  };
}

/** Ours and the peer in turns. */
async function inTurns(bench: Bench, peer: Peer, { batch, pairs }: { batch: number; pairs: number }): Promise<Record<string, unknown>> {
  await peer.ready;
  const { backend, model, newTokens, round, close } = bench, bandwidth = await readBandwidth(backend);
  await round();
  const result = await takeTurns(pairs, async () => {
    const { seconds, cpuSeconds, otherLoad } = await timed(round);
    return { rate: (batch * newTokens) / seconds, cpuRate: (batch * newTokens) / cpuSeconds, load: otherLoad };
  }, async () => {
    const answer = await peer.ask('1');
    return { rate: answer.tokens_per_s, cpuRate: (batch * newTokens) / Number(answer['cpu_seconds']), load: answer.other_load };
  });
  peer.close();
  const summary = summarise(result), bytes = model.packedBytes() + (model.compressed?.bytes ?? 0); // of the weights that a token's products read
  close();
  return { batch, isa: backend.info().isa, ...summary, share_of_read_bandwidth: Number(((bytes * Number(summary['ours'])) / batch / bandwidth).toFixed(3)) };
}

export async function pairGenerate(name: string, { threads, python, batch, pairs }: { threads: number; python: string; batch: number; pairs: number }): Promise<Record<string, unknown>> {
  const peer = new Peer(python, 'generate.py', ['--model', name, '--batch', String(batch), '--threads', String(threads), '--serve']);
  return { what: 'generate', model: name, threads, peer: 'transformers', ...await inTurns(await openGenerate(name, threads, batch), peer, { batch, pairs }) };
}

/** From a GGUF file of random weights in a format, beside llama.cpp; `file` is one that is there already. */
export async function pairGenerateFewBits(name: string, { threads, batches, pairs, format, file, place }: { threads: number; batches: readonly number[]; pairs: number; format: GgufFormat; file: string | undefined; place: string | undefined }): Promise<Record<string, unknown>> {
  const made = file === undefined ? await randomModel(name, format, place) : null, path = file ?? made!.gguf, results: Record<string, unknown> = {};
  try {
    for (const batch of batches) {
      const peer = new Peer(process.execPath, 'generate-llama.js', [path, String(threads), String(batch), llamaFolder, String(fewBits.promptLength), String(fewBits.newTokens)]);
      results[`batch_${batch}`] = await inTurns(await openGenerate(name, threads, batch, path), peer, { batch, pairs });
    }
  } finally {
    made?.remove();
  }
  return { what: 'generate', model: name, format: file ?? format, threads, peer: 'llama.cpp', ...results };
}
