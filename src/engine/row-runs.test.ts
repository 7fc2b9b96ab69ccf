// Runs of rows: which commands form one, what ends it, and that a step by blocks of rows has the bits of a step op by op.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CpuBackend, nativeBuilt } from './backends/cpu/cpu.ts';
import { add } from './ops/add.ts';
import { linear } from './ops/linear.ts';
import { rmsNorm } from './ops/rms-norm.ts';
import { rope } from './ops/rope.ts';
import { swiglu } from './ops/swiglu.ts';
import { Arena, type Command, execute, read } from './program.ts';
import { ropeTable } from './rope-table.ts';
import { findRowRuns } from './row-runs.ts';
import { Tape } from './tape.ts';
import { type Tensor, columns, plannedTensor, sizeOf } from './tensor.ts';
import { fixedWith, normal } from './trials.ts';
import { RandomStream } from './random.ts';

const T = 330, C = 40, F = 56; // the last block of rows is not a whole one

/** A layer without attention, forward and backward: program, its outputs, and the gradients of its weights. */
function layer(backend: CpuBackend): { program: ReturnType<Tape['finish']>; results: Tensor[] } {
  const weight = (i: number, ...shape: number[]): Tensor => fixedWith(backend, normal(new RandomStream(i, 1), sizeOf(shape)).map((v) => v * 0.2), shape, true);
  const weights = [weight(1, C, C), weight(2, C), weight(3, 2 * F, C), weight(4, C, F), weight(5, C), weight(6, C, C)] as const;
  const [wo, g, wgu, wd, g2, wq] = weights, tape = new Tape({ training: true }), random = new RandomStream(9, 0);
  const x = tape.input(normal(random, T * C), [T, C]), positions = tape.input(Int32Array.from({ length: T }, (_, t) => t % 50)), table = tape.input(ropeTable(50, { dim: 8, theta: 100 }), [50, 8]);
  const middle = add(tape, x, linear(tape, x, wo));
  const end = add(tape, middle, linear(tape, swiglu(tape, linear(tape, rmsNorm(tape, middle, g, 1e-6), wgu)), wd));
  const out = tape.output(rope(tape, linear(tape, rmsNorm(tape, end, g2, 1e-6), wq), table, positions, { heads: 5, headStride: 8, start: 0, layout: 'half' }));
  tape.emit('axpby', [tape.input(normal(random, T * C), [T, C]), tape.gradOf(out).tensor], [T * C, 1, 0]);
  tape.backward();
  return { program: tape.finish(new Arena(backend)), results: [out, ...weights.map((w) => w.grad!)] };
}

if (nativeBuilt()) {
  const backend = new CpuBackend();

  test('a layer is one run forward; backward, sums over rows wait behind the runs', () => {
    const { program } = layer(backend);
    const named = program.runs.map(({ first, members }) => program.commands.slice(first, first + members.length).map((c) => c.kernel).join(' '));
    assert.ok(named[0]!.startsWith('linearPacked add rmsNorm linearPacked swiglu linearPacked add rmsNorm linearPacked rope'), named[0]);
    const inRuns = new Set(program.runs.flatMap(({ first, members }) => members.map((_, i) => program.commands[first + i]!.kernel)));
    assert.ok(inRuns.has('swigluBackward') && inRuns.has('rmsNormBackward') && !inRuns.has('linearBackwardWeight') && !inRuns.has('addBlocks'));
  });

  test('by blocks of rows or op by op, with 1, 2 or 3 threads: the same bits', async () => {
    const bits: string[] = [], { threads: before } = backend.info();
    for (const threads of [1, 2, 3]) for (const byRows of [true, false]) {
      backend.setThreads(threads);
      const { program, results } = layer(backend);
      await execute(byRows ? program : { ...program, runs: [], sideBySide: [] });
      bits.push(results.map((t) => Buffer.from(read(program, t).buffer).toString('base64')).join());
    }
    backend.setThreads(before);
    assert.equal(new Set(bits).size, 1);
  });
}

const command = (kernel: string, tensors: (Tensor | null)[], attributes: number[]): Command => ({ kernel, tensors, attributes });
const added = (x: Tensor, y: Tensor, z: Tensor): Command => command('add', [x, y, z], [sizeOf(z.shape)]);
/** Without the chains that were made of them. */
const ordered = (commands: Command[]): Command[] => findRowRuns(commands).commands.map(({ chain, ...command }) => command);
const lengths = (commands: Command[]): number[] => findRowRuns(commands).runs.map((r) => r.members.length);

test('rows that are not the same rows, and other numbers of rows, end a run', () => {
  const [a, b, c, d] = [1, 2, 3, 4].map(() => plannedTensor([T, C])) as [Tensor, Tensor, Tensor, Tensor];
  assert.deepEqual(lengths([added(a, b, c), added(c, b, d)]), [2]);
  const later = { ...c, offset: C }; // row r is row r + 1 of c
  assert.deepEqual(lengths([added(a, b, c), added(later, b, d)]), []);
  assert.deepEqual(lengths([command('copyColumns', [a, columns(c, 0, 8)], [T, 8, C, C, 0]), command('copyColumns', [a, columns(c, 8, 8)], [T, 8, C, C, 0])]), [2]);
  const longer = [1, 2, 3].map(() => plannedTensor([T + 1, C])) as [Tensor, Tensor, Tensor];
  assert.deepEqual(lengths([added(a, b, c), added(c, b, d), added(...longer), added(longer[2], longer[1], longer[0])]), [2, 2]);
  const few = [1, 2, 3].map(() => plannedTensor([9, C])) as [Tensor, Tensor, Tensor];
  assert.deepEqual(lengths([added(...few), added(...few)]), []);
  assert.deepEqual(lengths([added(a, b, c), command('sum', [c, plannedTensor([1])], [T * C]), added(c, b, d)]), []);
});

test('what a waiting sum reads is not written before it', () => {
  const [x, dy, other] = [1, 2, 3].map(() => plannedTensor([T, C])) as [Tensor, Tensor, Tensor], dw = plannedTensor([C, C]);
  const sum = command('linearBackwardWeight', [dy, x, dw, null], [T, C, C, C, C, 1]);
  const read1 = added(dy, x, other), read2 = added(dy, other, plannedTensor([T, C]));
  assert.deepEqual(ordered([read1, sum, read2]), [read1, read2, sum]);
  const write = added(other, other, dy);
  assert.deepEqual(ordered([read1, sum, write]), [read1, sum, write]);
});

test('a weight is packed ahead of the run, unless the run makes it', () => {
  const [x, y, z] = [1, 2, 3].map(() => plannedTensor([T, C])) as [Tensor, Tensor, Tensor], w = plannedTensor([C, C]), square = plannedTensor([T, T]), wide = plannedTensor([T, T]);
  const product = command('linear', [x, w, y, null], [T, C, C, C, C, 0]);
  assert.deepEqual(findRowRuns([added(y, z, x), product]).commands.map((c) => c.kernel), ['packLinear', 'add', 'linearPacked']);
  const made = command('linear', [wide, square, plannedTensor([T, T]), null], [T, T, T, T, T, 0]);
  assert.deepEqual(findRowRuns([added(wide, wide, square), made]).commands.map((c) => c.kernel), ['add', 'linear']);
});

test('elementwise commands take the elements of their rows', () => {
  const [x, y, z] = [1, 2, 3].map(() => plannedTensor([T, C])) as [Tensor, Tensor, Tensor];
  const { runs } = findRowRuns([command('axpby', [x, y], [T * C, 1, 0]), added(x, y, z)]);
  assert.deepEqual(runs, [{ first: 0, rows: T, members: [{ unit: C, strides: [C, C] }, { unit: C, strides: [C, C, C] }] }]);
});
