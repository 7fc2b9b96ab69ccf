// Where a training step's time goes, op by op: seconds, calls, share.

import { openTrain } from './train.ts';

export async function profileTrain(model: string, threads: number, steps: number, lora = 0): Promise<Record<string, unknown>> {
  const bench = openTrain(model, threads, { lora }), { backend } = bench;
  await bench.step();
  const profile = new Map<string, { calls: number; seconds: number }>(), run = backend.run.bind(backend);
  let wall = 0;
  backend.run = (program, options) => run(program, { ...options, profile });
  for (let i = 0; i < steps; i++) {
    const start = performance.now();
    await bench.step();
    wall += performance.now() - start;
  }
  bench.close();
  const inside = [...profile.values()].reduce((s, p) => s + p.seconds, 0);
  const rows = [...profile].sort((a, b) => b[1].seconds - a[1].seconds);
  return {
    model, threads, ms_per_step: Number((wall / steps).toFixed(2)), outside_kernels_ms: Number((wall / steps - (1000 * inside) / steps).toFixed(2)),
    ...Object.fromEntries(rows.map(([name, { calls, seconds }]) => [name, `${((1000 * seconds) / steps).toFixed(2)} ms  ${((100 * seconds) / inside).toFixed(1)} %  ${calls / steps} calls`])),
  };
}
