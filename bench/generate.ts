// Greedy decoding with random weights: a prompt of 64 tokens, 128 new ones, f32.

import { CpuBackend } from '../src/engine/backends/cpu/cpu.ts';
import { Arena } from '../src/engine/program.ts';
import { Model } from '../src/models/model.ts';
import { Rollout } from '../src/reasoning/rollout.ts';
import { readBandwidth } from '../src/engine/speed.ts';
import { median, statusMiB, timed } from './machine.ts';
import { benchModels } from './models.ts';
import { summarise, takeTurns } from './pairs.ts';
import { Peer } from './peer.ts';

const promptLength = 64, newTokens = 128;

async function openGenerate(name: string, threads: number, batch: number): Promise<{ backend: CpuBackend; model: Model; round: () => Promise<void>; close: () => void }> {
  const backend = new CpuBackend();
  backend.setThreads(threads);
  const model = new Model(backend, benchModels[name]!.config, { maxPositions: 256 });
  model.parameters.initialise(0);
  const arena = new Arena(backend), rollout = new Rollout(model, arena, { maxRows: batch, maxTokens: promptLength + newTokens });
  await rollout.refresh();
  const prompts = Array.from({ length: batch }, (_, b) => Int32Array.from({ length: promptLength }, (__, i) => (b * 131 + i * 17) % model.dims.vocab));
  return {
    backend, model,
    round: async () => { await rollout.generate(prompts.map((prompt) => ({ prompt, maxNew: newTokens, streams: [0] })), { stops: [], settings: { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0 } }); },
    close: () => { rollout.close(); arena.close(); model.close(); backend.close(); },
  };
}

export async function benchGenerate(name: string, { threads, batch, rounds }: { threads: number; batch: number; rounds: number }): Promise<Record<string, unknown>> {
  const { backend, model, round, close } = await openGenerate(name, threads, batch);
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

export async function pairGenerate(name: string, { threads, python, batch, pairs }: { threads: number; python: string; batch: number; pairs: number }): Promise<Record<string, unknown>> {
  const peer = new Peer(python, 'generate.py', ['--model', name, '--batch', String(batch), '--threads', String(threads)]);
  await peer.ready;
  const { backend, model, round, close } = await openGenerate(name, threads, batch);
  const bandwidth = await readBandwidth(backend);
  await round();
  const result = await takeTurns(pairs, async () => {
    const { seconds, cpuSeconds, otherLoad } = await timed(round);
    return { rate: (batch * newTokens) / seconds, cpuRate: (batch * newTokens) / cpuSeconds, load: otherLoad };
  }, async () => {
    const answer = await peer.ask('1');
    return { rate: answer.tokens_per_s, cpuRate: (batch * newTokens) / Number(answer['cpu_seconds']), load: answer.other_load };
  });
  peer.close();
  const summary = summarise(result), bytes = model.packedBytes();
  close();
  return { what: 'generate', model: name, threads, batch, isa: backend.info().isa, ...summary, share_of_read_bandwidth: Number(((bytes * Number(summary['ours'])) / batch / bandwidth).toFixed(3)) };
}
