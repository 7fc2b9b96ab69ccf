// Matrix products in the three forms of training, on the shapes of the 30 M and 135 M models, against the FMA peak.

import { CpuBackend } from '../src/engine/backends/cpu/cpu.ts';
import { Arena, type Program, execute } from '../src/engine/program.ts';
import { Tape } from '../src/engine/tape.ts';
import { fmaPeak } from '../src/engine/speed.ts';
import { median } from './machine.ts';

/** Rows, outputs, inputs of the linear layers. */
const shapes: readonly (readonly [name: string, T: number, N: number, K: number])[] = [
  ['30m qkv', 2048, 1536, 512], ['30m o', 2048, 512, 512], ['30m gate_up', 2048, 2816, 512], ['30m down', 2048, 512, 1408], ['30m head', 256, 8192, 512],
  ['135m qkv', 512, 960, 576], ['135m o', 512, 576, 576], ['135m gate_up', 512, 3072, 576], ['135m down', 512, 576, 1536], ['135m head', 42, 49152, 576],
];

export async function benchGemm({ threads }: { threads: number }): Promise<Record<string, unknown>> {
  const backend = new CpuBackend(), arena = new Arena(backend);
  backend.setThreads(threads);
  const result: Record<string, unknown> = { isa: backend.info().isa, threads }, shares: number[] = [];
  for (const [name, T, N, K] of shapes) {
    const programs: [string, Program][] = (['linear', 'linearBackwardInput', 'linearBackwardWeight'] as const).map((kernel) => {
      const tape = new Tape({ training: false }), x = tape.output(tape.temp([T, K])), w = tape.output(tape.temp([N, K])), y = tape.output(tape.temp([T, N]));
      const tensors = { linear: [x, w, y, null], linearBackwardInput: [y, w, x], linearBackwardWeight: [y, x, w, null] }[kernel];
      const attributes = { linear: [T, N, K, K, N, 0], linearBackwardInput: [T, N, K, N, K, 0], linearBackwardWeight: [T, N, K, N, K, 1] }[kernel];
      tape.emit(kernel, tensors, attributes);
      return [kernel, tape.finish(arena)];
    });
    for (const [kernel, program] of programs) {
      const ratios: number[] = [];
      await execute(program);
      for (let i = 0; i < 9; i++) {
        const peak = await quickPeak(backend), start = performance.now();
        await execute(program);
        ratios.push((2 * T * N * K) / ((performance.now() - start) / 1000) / peak);
      }
      const share = median(ratios);
      shares.push(share);
      result[`${name} ${kernel}`] = Number(share.toFixed(3));
    }
  }
  result['geometric_mean_share_of_peak'] = Number(Math.exp(shares.reduce((s, x) => s + Math.log(x), 0) / shares.length).toFixed(3));
  arena.close();
  backend.close();
  return result;
}

let peakProgram: { backend: CpuBackend; peak: number } | null = null;

async function quickPeak(backend: CpuBackend): Promise<number> {
  if (peakProgram?.backend !== backend) peakProgram = { backend, peak: await fmaPeak(backend) };
  return peakProgram.peak;
}
