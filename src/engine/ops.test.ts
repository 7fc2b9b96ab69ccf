// Every op on every backend, from the samples in the op's own file: the reference's gradients against numeric ones, every
// other backend against the reference, kernel by kernel and gradient by gradient.
// TIEFSUCHE_ISA picks the instruction set of the cpu backend; test/isa.test.ts runs this file on each the machine has.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Backend } from './backend.ts';
import { CpuBackend, nativeBuilt } from './backends/cpu/cpu.ts';
import { ReferenceBackend } from './backends/reference/reference.ts';
import { kernels, ops } from './ops/index.ts';
import type { KernelCase, Sample } from './ops/op.ts';
import { Arena, execute, place, read } from './program.ts';
import { RandomStream } from './random.ts';
import { Tape } from './tape.ts';
import { type Tensor, fixedTensor, sizeOf } from './tensor.ts';

function normal(random: RandomStream, n: number): Float32Array {
  return Float32Array.from({ length: n }, () => Math.sqrt(-2 * Math.log(1 - random.uniform())) * Math.cos(2 * Math.PI * random.uniform()));
}

type Values = Record<string, Float32Array>;

/** Outputs and gradients of Σ weight·output for one sample on one backend. */
async function evaluate(backend: Backend, sample: Sample, values: Values): Promise<{ outputs: Float32Array[]; grads: Values; scalar: number }> {
  const arena = new Arena(backend);
  const tape = new Tape({ training: sample.gradient !== false });
  const inputs: Record<string, Tensor> = {};
  for (const [name, shape] of Object.entries(sample.inputs)) {
    const bytes = sizeOf(shape) * 4;
    const buffer = backend.allocate(bytes);
    backend.upload(buffer, 0, values[name]!);
    const constant = sample.gradient === false || sample.constant?.includes(name);
    inputs[name] = fixedTensor(buffer, 0, shape, 'f32', name, constant ? undefined : fixedTensor(backend.allocate(bytes), 0, shape));
  }
  const outputs = [sample.record(tape, inputs)].flat();
  const seeds = outputs.map((out, i) => normal(new RandomStream(99, i), sizeOf(out.shape)));
  outputs.forEach((out, i) => {
    tape.output(out);
    if (sample.gradient === false) return;
    const { tensor } = tape.gradOf(out);
    tape.emit('axpby', [tape.input(seeds[i]!, out.shape), tensor], [sizeOf(out.shape), 1, 0]);
  });
  tape.backward();
  const program = tape.finish(arena);
  await execute(program);
  const results = outputs.map((out) => read(program, out));
  let scalar = 0;
  results.forEach((r, i) => r.forEach((x, j) => { scalar += x * seeds[i]![j]!; }));
  const grads = Object.fromEntries(Object.entries(inputs).filter(([, t]) => t.grad).map(([name, t]) => [name, read(program, t.grad!)]));
  return { outputs: results, grads, scalar };
}

function assertClose(got: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what: string): void {
  let largest = 1e-3, worst = 0, at = -1;
  for (let i = 0; i < expected.length; i++) largest = Math.max(largest, Math.abs(expected[i]!));
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(got[i]! - expected[i]!);
    if (!(error <= worst)) { worst = error; at = i; }
  }
  assert.ok(worst <= tolerance * largest, `${what}: entry ${at} is ${got[at]}, expected ${expected[at]} (tolerance ${tolerance} of ${largest})`);
}

const reference = new ReferenceBackend();
const cpu = nativeBuilt() ? new CpuBackend() : null;
const valuesFor = (sample: Sample): Values => Object.fromEntries(Object.entries(sample.inputs).map(([name, shape], i) =>
  [name, normal(new RandomStream(7, i), sizeOf(shape)).map((x) => x * (sample.scale ?? 1))]));

for (const op of ops) for (const sample of op.samples) {
  if (sample.gradient !== false) test(`${op.name} (${sample.label}): gradients agree with differences`, async () => {
    const values = valuesFor(sample);
    const { grads } = await evaluate(reference, sample, values);
    const random = new RandomStream(5, 0);
    for (const [name, grad] of Object.entries(grads)) {
      // Along random directions and along some single entries: (f(x + h d) − f(x − h d)) / 2h = ∇f·d.
      const n = grad.length, norm = Math.sqrt(grad.reduce((s, x) => s + x * x, 0));
      for (let trial = 0; trial < 4; trial++) {
        const direction = trial < 2 ? normal(random, n).map((x) => x / Math.sqrt(n)) : new Float32Array(n);
        if (trial >= 2) direction[random.integer(0, n - 1)] = 1;
        const h = 4e-3;
        const at = async (s: number): Promise<number> => (await evaluate(reference, sample, { ...values, [name]: values[name]!.map((x, i) => x + s * h * direction[i]!) })).scalar;
        const numeric = (await at(1) - await at(-1)) / (2 * h);
        const exact = grad.reduce((s, x, i) => s + x * direction[i]!, 0);
        const size = Math.max(norm / Math.sqrt(n), 0.1) * 3;
        assert.ok(Math.abs(numeric - exact) <= (sample.tolerance ?? 2e-2) * size + 1e-3, `d ${name}: ${exact}, differences say ${numeric} (trial ${trial})`);
      }
    }
  });
  if (cpu) test(`${op.name} (${sample.label}): ${cpu.info().isa} agrees with the reference`, async () => {
    const values = valuesFor(sample);
    const expected = await evaluate(reference, sample, values), got = await evaluate(cpu, sample, values);
    expected.outputs.forEach((out, i) => assertClose(got.outputs[i]!, out, 2e-5, `output ${i}`));
    for (const [name, grad] of Object.entries(expected.grads)) assertClose(got.grads[name]!, grad, 1e-4, `d ${name}`);
  });
}

async function callKernel(backend: Backend, c: KernelCase): Promise<(Float32Array | Int32Array)[]> {
  const buffers: [Tensor, Float32Array | Int32Array][] = [];
  const tensors = c.tensors.map((spec, i) => {
    if (spec === null) return null;
    const random = new RandomStream(3, i);
    const data = typeof spec === 'number' ? normal(random, spec) : 'positive' in spec ? normal(random, spec.positive).map((x) => x * x) : spec.slice();
    const buffer = backend.allocate(Math.max(data.byteLength, 4));
    backend.upload(buffer, 0, data);
    const tensor = fixedTensor(buffer, 0, [data.length], data instanceof Int32Array ? 'i32' : 'f32');
    buffers.push([tensor, data]);
    return tensor;
  });
  const tape = new Tape({ training: false });
  tape.emit(c.kernel, tensors, c.attributes);
  const program = tape.finish(new Arena(backend));
  await execute(program);
  return buffers.map(([tensor, data]) => { backend.download(...place(program, tensor), data); return data; });
}

if (cpu) {
  for (const op of ops) for (const c of op.cases ?? []) test(`${op.name} / ${c.kernel} (${c.label}): ${cpu.info().isa} agrees with the reference`, async () => {
    const expected = await callKernel(reference, c), got = await callKernel(cpu, c);
    // The chunk of logits that crossEntropy works in is nobody's result.
    expected.forEach((e, i) => { if (!(c.kernel === 'crossEntropy' && i === expected.length - 1)) assertClose(got[i]!, e, c.tolerance ?? 2e-5, `tensor ${i}`); });
  });
  test('the cpu backend has every kernel', () => {
    assert.deepEqual([...kernels.keys()].filter((name) => !cpu.has(name)), []);
  });
}
