// What the machine can do, through the pool that does the work: the roofs that every other figure is set against.

import type { Backend } from './backend.ts';
import { Arena, execute, read } from './program.ts';
import { Tape } from './tape.ts';
import { fixedTensor } from './tensor.ts';

async function bestRate(backend: Backend, record: (tape: Tape) => (program: Parameters<typeof read>[0]) => number, rounds: number): Promise<number> {
  const tape = new Tape({ training: false }), amount = record(tape), arena = new Arena(backend), program = tape.finish(arena);
  let best = 0;
  for (let i = 0; i < rounds; i++) {
    const start = performance.now();
    await execute(program);
    best = Math.max(best, amount(program) / ((performance.now() - start) / 1000));
  }
  arena.close();
  return best;
}

/** FLOP/s of fused multiply-adds in registers, with the threads the pool has; the best of a few rounds. */
export function fmaPeak(backend: Backend, rounds = 5): Promise<number> {
  return bestRate(backend, (tape) => {
    const out = tape.output(tape.temp([1]));
    tape.emit('fmaPeak', [out], [2_000_000]);
    return (program) => read(program, out)[0]!;
  }, rounds);
}

/** Bytes/s of reading 512 MiB in a row, more than any cache holds; written first, because untouched memory is no memory. */
export async function readBandwidth(backend: Backend, rounds = 5): Promise<number> {
  const n = 2 ** 27, buffer = backend.allocate(4 * n), x = fixedTensor(buffer, 0, [n]);
  await bestRate(backend, (tape) => { tape.emit('fill', [x], [n, 1]); return () => 4 * n; }, 1);
  const best = await bestRate(backend, (tape) => {
    const out = tape.output(tape.temp([1]));
    tape.emit('readBandwidth', [x, out], [n]);
    return () => 4 * n;
  }, rounds);
  backend.free(buffer);
  return best;
}
