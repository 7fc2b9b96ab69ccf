// Training steps of the benchmark models: forward, backward, clipping and AdamW, random tokens, f32; all weights, or
// adapters of rank `lora` on every linear layer (alpha twice the rank) with the rest frozen; the weights from a file, if
// there is one, in f32 or in its few bits; layers kept or computed twice.

import { CpuBackend } from '../src/engine/backends/cpu/cpu.ts';
import { Arena } from '../src/engine/program.ts';
import { RandomStream } from '../src/engine/random.ts';
import type { Batch } from '../src/models/loss.ts';
import { loadModel, openModelFiles } from '../src/models/load.ts';
import { Model, type ModelOptions } from '../src/models/model.ts';
import { Updater } from '../src/training/updater.ts';
import { fmaPeak } from '../src/engine/speed.ts';
import { median, statusMiB, timed } from './machine.ts';
import { benchModels } from './models.ts';

export interface TrainBench { step(): Promise<void>; readonly tokens: number; readonly passes: number; readonly flop: () => number; readonly memory: { before: number }; readonly profile: Map<string, { calls: number; seconds: number }>; readonly backend: CpuBackend; close(): void }

export interface TrainWay { readonly lora?: number; readonly file?: string | undefined; readonly fewBits?: boolean; readonly recompute?: boolean; readonly microTokens?: number | undefined }

export function openTrain(name: string, threads: number, { lora = 0, file, fewBits = false, recompute = false, microTokens = benchModels[name]!.microTokens }: TrainWay = {}): TrainBench {
  const { config, batch, length } = benchModels[name]!;
  const backend = new CpuBackend();
  backend.setThreads(threads);
  const before = statusMiB('VmRSS');
  const options = { trainable: true, recompute, maxPositions: length, ...(lora > 0 && { lora: { rank: lora, alpha: 2 * lora } }) };
  const model = file === undefined ? new Model(backend, config, options) : fromFile(backend, file, { ...options, precision: fewBits ? 'file' : 'f32' });
  if (file === undefined) model.parameters.initialise(0);
  model.lora?.parameters.initialise(0);
  const arena = new Arena(backend);
  const updater = new Updater(model, arena, { adamw: { lr: 1e-4, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1 }, clip: 1 }, 0.001);
  const random = new RandomStream(0, 0), n = batch * length;
  const [ids, targets] = [0, 1].map(() => Int32Array.from({ length: n }, () => random.integer(0, config.vocab_size - 1))) as [Int32Array, Int32Array];
  const sequences = Math.min(batch, Math.max(1, Math.floor((microTokens ?? n) / length))), batches: Batch[] = [];
  for (let from = 0; from < n; from += sequences * length) {
    const part = ids.slice(from, from + sequences * length);
    batches.push({ ids: part, lengths: new Array<number>(part.length / length).fill(length), rows: Int32Array.from(part.keys()), coefficients: new Float32Array(part.length).fill(1 / n), targets: targets.slice(from, from + part.length) });
  }
  let step = 0, flop = 0;
  return {
    tokens: n, passes: batches.length, flop: () => flop, memory: { before }, backend, profile: new Map(),
    async step() { flop = (await updater.update(batches, ++step, 1, () => batches)).flops.model; },
    close() { updater.close(); arena.close(); model.close(); backend.close(); },
  };
}

function fromFile(backend: CpuBackend, path: string, options: ModelOptions): Model {
  const files = openModelFiles(path);
  try { return loadModel(backend, files, options); } finally { files.close(); }
}

export async function benchTrain(name: string, { threads, steps, ...way }: { threads: number; steps: number } & TrainWay): Promise<Record<string, unknown>> {
  const bench = openTrain(name, threads, way), { lora = 0, fewBits = false, recompute = false } = way;
  await bench.step();
  await bench.step();
  const peak = await fmaPeak(bench.backend), rates: number[] = [], loads: number[] = [], cpu: number[] = [];
  for (let i = 0; i < steps; i++) {
    const { seconds, cpuSeconds, otherLoad } = await timed(() => bench.step());
    rates.push(bench.tokens / seconds);
    cpu.push(bench.tokens / cpuSeconds);
    if (otherLoad !== null) loads.push(otherLoad);
  }
  const rate = median(rates);
  const result = {
    model: name, ...(lora > 0 && { lora }), ...(fewBits && { few_bits: true }), ...(recompute && { recompute }), ...(bench.passes > 1 && { passes: bench.passes }), isa: bench.backend.info().isa, threads, tokens_per_s: Math.round(rate), tokens_per_cpu_s: Math.round(median(cpu)), flop_per_step: bench.flop(),
    flops_share_of_peak: Number(((bench.flop() / bench.tokens) * rate / peak).toFixed(3)), peak_gflops: Math.round(peak / 1e9),
    peak_rss_mib: Math.round(statusMiB('VmHWM')), rss_before_model_mib: Math.round(bench.memory.before), other_load: loads.length > 0 ? Number(median(loads).toFixed(3)) : null,
  };
  bench.close();
  return result;
}
