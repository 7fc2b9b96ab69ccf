// Chains side by side: which commands form them, and that they give the bits of the same commands one after another.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CpuBackend, nativeBuilt } from './backends/cpu/cpu.ts';
import { orthogonalise } from './optimizers.ts';
import { Arena, execute, read } from './program.ts';
import { RandomStream } from './random.ts';
import { findSideBySide } from './side-by-side.ts';
import { Tape } from './tape.ts';
import { type Tensor, sizeOf } from './tensor.ts';
import { normal } from './trials.ts';

test('groups of two chains or more, each with the commands recorded in it', () => {
  const tape = new Tape({ training: false }), [a, b, c] = [tape.temp([4]), tape.temp([4]), tape.temp([4])];
  const fill = (t: Tensor): void => tape.emit('fill', [t], [4, 1]);
  fill(a);
  tape.sideBySide([() => { fill(a); fill(a); }, () => fill(b), () => fill(c)]);
  tape.sideBySide([() => fill(a)]); // alone
  tape.sideBySide([() => fill(b), () => fill(c)]);
  const { sideBySide } = tape.finish(new Arena({} as never));
  assert.deepEqual(sideBySide, [{ first: 1, lengths: [2, 1, 1] }, { first: 6, lengths: [1, 1] }]);
  assert.deepEqual(findSideBySide([]), []);
});

if (nativeBuilt()) test('chains of products, and gradients of weights as one job, with 1, 2 or 3 threads: the same bits', async () => {
  const backend = new CpuBackend(), { threads: before } = backend.info(), bits = new Set<string>();
  const shapes = [[40, 24], [33, 70], [16, 16], [8, 90], [64, 64], [5, 5], [30, 12]] as const, T = 300;
  for (const threads of [1, 2, 3]) for (const together of [true, false]) {
    backend.setThreads(threads);
    const tape = new Tape({ training: false }), results: Tensor[] = [];
    const given = (i: number, shape: readonly [number, number]): Tensor => tape.input(normal(new RandomStream(i, 0), sizeOf(shape)), shape);
    const matrices = shapes.map((shape, i) => given(i, shape)), dys = shapes.map(([N], i) => given(10 + i, [T, N])), xs = shapes.map(([, K], i) => given(20 + i, [T, K]));
    const dws = shapes.map(([N, K]) => tape.output(tape.temp([N, K]))), biases = shapes.map(([N]) => tape.output(tape.temp([N])));
    tape.sideBySide(matrices.map((x) => () => results.push(tape.output(orthogonalise(tape, x)))));
    tape.sideBySide(shapes.map(([N, K], i) => () => tape.emit('linearBackwardWeight', [dys[i], xs[i], dws[i], i % 2 ? biases[i] : null], [T, N, K, N, K, 0])));
    const program = tape.finish(new Arena(backend));
    assert.equal(program.sideBySide.length, 2);
    await execute(together ? program : { ...program, sideBySide: [] });
    bits.add([...results, ...dws, ...biases.filter((_, i) => i % 2)].map((t) => Buffer.from(read(program, t).buffer).toString('base64')).join());
  }
  backend.setThreads(before);
  assert.equal(bits.size, 1);
});
