// Runs an op's samples and cases (ops/op.ts) on a backend, for tests: random inputs go in, everything computed comes out.

import type { Backend } from './backend.ts';
import type { KernelCase, Sample } from './ops/op.ts';
import { Arena, execute, place, read } from './program.ts';
import { RandomStream } from './random.ts';
import { Tape } from './tape.ts';
import { type Tensor, fixedTensor, sizeOf } from './tensor.ts';

/** n values from N(0, 1) (Box and Muller). */
export function normal(random: RandomStream, n: number): Float32Array {
  return Float32Array.from({ length: n }, () => Math.sqrt(-2 * Math.log(1 - random.uniform())) * Math.cos(2 * Math.PI * random.uniform()));
}

/** Data in memory of its own, with a gradient of zeros if asked for. */
export function fixedWith(backend: Backend, data: Float32Array | Int32Array, shape: readonly number[] = [data.length], wantsGrad = false): Tensor {
  const bytes = Math.max(data.byteLength, 4);
  const buffer = backend.allocate(bytes);
  backend.upload(buffer, 0, data);
  const grad = wantsGrad ? fixedTensor(backend.allocate(bytes), 0, shape) : undefined;
  return fixedTensor(buffer, 0, shape, data instanceof Int32Array ? 'i32' : 'f32', '', grad);
}

/** Values by the name of an input. */
export type Values = Readonly<Record<string, Float32Array>>;

/** The random values a sample is run with. */
export const valuesFor = (sample: Sample): Values => Object.fromEntries(Object.entries(sample.inputs).map(([name, shape], i) =>
  [name, normal(new RandomStream(7, i), sizeOf(shape)).map((x) => x * (sample.scale ?? 1))]));

/** Outputs of a sample, Σ weight · output with random weights, and the gradients of that sum by the inputs. */
export async function runSample(backend: Backend, sample: Sample, values: Values = valuesFor(sample)): Promise<{ outputs: Float32Array[]; grads: Values; scalar: number }> {
  const tape = new Tape({ training: sample.gradient !== false });
  const inputs = Object.fromEntries(Object.entries(sample.inputs).map(([name, shape]) =>
    [name, fixedWith(backend, values[name]!, shape, sample.gradient !== false && !sample.constant?.includes(name))]));
  const outputs = [sample.record(tape, inputs)].flat(), weights = outputs.map((out, i) => normal(new RandomStream(99, i), sizeOf(out.shape)));
  outputs.forEach((out, i) => {
    tape.output(out);
    if (sample.gradient !== false) tape.emit('axpby', [tape.input(weights[i]!, out.shape), tape.gradOf(out).tensor], [sizeOf(out.shape), 1, 0]);
  });
  tape.backward();
  const program = tape.finish(new Arena(backend));
  await execute(program);
  const results = outputs.map((out) => read(program, out));
  return {
    outputs: results,
    grads: Object.fromEntries(Object.entries(inputs).flatMap(([name, { grad }]) => (grad ? [[name, read(program, grad)]] : []))),
    scalar: results.reduce((sum, r, i) => r.reduce((s, x, j) => s + x * weights[i]![j]!, sum), 0),
  };
}

/** All tensors of a case after its kernel has run. */
export async function runCase(backend: Backend, { kernel, tensors, attributes }: KernelCase): Promise<(Float32Array | Int32Array)[]> {
  const data = tensors.map((spec, i) => {
    if (spec === null || ArrayBuffer.isView(spec)) return spec?.slice() ?? null;
    const random = new RandomStream(3, i);
    return typeof spec === 'number' ? normal(random, spec) : normal(random, spec.positive).map((x) => x * x);
  });
  const tape = new Tape({ training: false });
  const fixed = data.map((d) => d && fixedWith(backend, d));
  tape.emit(kernel, fixed, attributes);
  const program = tape.finish(new Arena(backend));
  await execute(program);
  return fixed.flatMap((tensor, i) => {
    if (!tensor) return [];
    backend.download(...place(program, tensor), data[i]!);
    return [data[i]!];
  });
}
