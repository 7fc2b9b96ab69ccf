// Matrix products in the three forms of training, on the shapes of the 30 M and 135 M models: share of the FMA peak, which
// is measured right before and right after each product, since the host lends more at one moment than at the next; and,
// beside the libraries of PyTorch (MKL), oneDNN and OpenBLAS, the ratio to the best of them, in rotated order.

import { setTimeout as rest } from 'node:timers/promises';
import { CpuBackend } from '../src/engine/backends/cpu/cpu.ts';
import { Arena, type Program, execute, place } from '../src/engine/program.ts';
import { RandomStream } from '../src/engine/random.ts';
import { Tape } from '../src/engine/tape.ts';
import { fmaPeak } from '../src/engine/speed.ts';
import { type Tensor, sizeOf } from '../src/engine/tensor.ts';
import { normal } from '../src/engine/trials.ts';
import { median } from './machine.ts';
import { Peer } from './peer.ts';

/** Rows, outputs, inputs of the linear layers; of the head, as many rows as cross-entropy takes at a time. */
const shapes: readonly (readonly [name: string, T: number, N: number, K: number])[] = [
  ['30m qkv', 2048, 1536, 512], ['30m o', 2048, 512, 512], ['30m gate_up', 2048, 2816, 512], ['30m down', 2048, 512, 1408], ['30m head', 256, 8192, 512],
  ['135m qkv', 512, 960, 576], ['135m o', 512, 576, 576], ['135m gate_up', 512, 3072, 576], ['135m down', 512, 576, 1536], ['135m head', 128, 49152, 576],
];
const kernels = { forward: 'linear', input: 'linearBackwardInput', weight: 'linearBackwardWeight' } as const;
type Form = keyof typeof kernels;
const forms = Object.keys(kernels) as Form[], libraries = ['mkl', 'onednn', 'openblas'] as const;
const geometricMean = (values: readonly number[]): number => Math.exp(values.reduce((sum, x) => sum + Math.log(x), 0) / values.length);
/** As many as take some 20 ms. */
const repeatsOf = (T: number, N: number, K: number): number => Math.max(3, Math.ceil(2e9 / (2 * T * N * K)));
const rounded = (x: number): number => Number(x.toFixed(3));

/** Ready to be repeated. Memory nobody has written is one page of zeros, which every cache holds; so operands are random, as the peer's. */
async function productOf(arena: Arena, form: Form, T: number, N: number, K: number): Promise<Program> {
  const tape = new Tape({ training: false }), [x, w, y] = [[T, K], [N, K], [T, N]].map((shape) => tape.output(tape.temp(shape))) as [Tensor, Tensor, Tensor];
  const tensors = { forward: [x, w, y, null], input: [y, w, x], weight: [y, x, w, null] }[form];
  tape.emit(kernels[form], tensors, { forward: [T, N, K, K, N, 0], input: [T, N, K, N, K, 0], weight: [T, N, K, N, K, 0] }[form]);
  const program = tape.finish(arena);
  await execute(program);
  for (const t of [x, w, y]) arena.backend.upload(...place(program, t), randomValues(sizeOf(t.shape)));
  return program;
}

function randomValues(count: number): Float32Array {
  const some = normal(new RandomStream(0, 0), 2 ** 16 + 1);
  return Float32Array.from({ length: count }, (_, i) => some[i % some.length]!);
}

/** Of one product among `repeat` in a program, as training has them: a program costs 30 μs of JavaScript and threads. */
async function secondsOf(program: Program, repeat: number): Promise<number> {
  const start = performance.now();
  await execute(program, { repeat });
  return (performance.now() - start) / 1000 / repeat;
}

/** After a rest the processor and its second core take milliseconds to wake: nobody is measured before (gemm.py does the same). */
async function warmUp(program: Program): Promise<void> {
  const start = performance.now();
  do await execute(program); while (performance.now() - start < 50);
}

export async function benchGemm({ threads, rounds = 15 }: { threads: number; rounds?: number }): Promise<Record<string, unknown>> {
  const backend = new CpuBackend(), arena = new Arena(backend);
  backend.setThreads(threads);
  const result: Record<string, unknown> = { isa: backend.info().isa, threads }, shares: number[] = [];
  for (const [name, T, N, K] of shapes) for (const form of forms) {
    const program = await productOf(arena, form, T, N, K), repeats = repeatsOf(T, N, K), ratios: number[] = [];
    for (let i = 0; i < rounds; i++) {
      const before = await fmaPeak(backend, 1), rate = (2 * T * N * K) / await secondsOf(program, repeats), after = await fmaPeak(backend, 1);
      ratios.push(rate / Math.max(before, after));
    }
    const share = median(ratios);
    shares.push(share);
    result[`${name} ${form}`] = rounded(share);
  }
  arena.close();
  backend.close();
  return { ...result, geometric_mean_share_of_peak: rounded(geometricMean(shares)) };
}

/** Our rate over that of the best library, each product `pairs` times, whoever goes first changing. */
export async function pairGemm({ threads, python, pairs }: { threads: number; python: string; pairs: number }): Promise<Record<string, unknown>> {
  const peer = new Peer(python, 'gemm.py', ['--threads', String(threads), '--serve']), backend = new CpuBackend(), arena = new Arena(backend);
  await peer.ready;
  backend.setThreads(threads);
  const result: Record<string, unknown> = { isa: backend.info().isa, threads, pairs }, ratios: number[] = [];
  for (const [name, T, N, K] of shapes) for (const form of forms) {
    const program = await productOf(arena, form, T, N, K), repeats = repeatsOf(T, N, K);
    const ours = async (): Promise<number> => { await warmUp(program); const all: number[] = []; for (let i = 0; i < 5; i++) all.push(await secondsOf(program, Math.ceil(repeats / 5))); return median(all); };
    const theirs = async (library: string): Promise<number> => Number((await peer.ask(JSON.stringify({ library, form, m: T, n: N, k: K, repeats })))['seconds']);
    const runners = { ours, ...Object.fromEntries(libraries.map((library) => [library, () => theirs(library)])) } as Record<string, () => Promise<number>>;
    const names = Object.keys(runners), seconds: Record<string, number[]> = Object.fromEntries(names.map((n) => [n, []]));
    for (let round = 0; round < pairs; round++) for (let i = 0; i < names.length; i++) {
      const who = names[(i + round) % names.length]!;
      seconds[who]!.push(await runners[who]!());
      await rest(100); // threads of the libraries spin for a while after their work, on the cores of the next
    }
    const best = libraries.reduce((a, b) => (median(seconds[a]!) <= median(seconds[b]!) ? a : b));
    const ratio = median(seconds['ours']!.map((s, i) => seconds[best]![i]! / s));
    ratios.push(ratio);
    result[`${name} ${form}`] = `${ratio.toFixed(2)} × ${best}`;
  }
  peer.close();
  arena.close();
  backend.close();
  return { ...result, geometric_mean_ratio_to_best: rounded(geometricMean(ratios)), least_ratio: rounded(Math.min(...ratios)) };
}
