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

/** Outputs of a sample, then the gradients of Σ weight · output by its inputs. */
export async function runSample(backend: Backend, sample: Sample): Promise<Float32Array[]> {
  const tape = new Tape({ training: sample.gradient !== false });
  const inputs = Object.fromEntries(Object.entries(sample.inputs).map(([name, shape], i) => {
    const values = normal(new RandomStream(7, i), sizeOf(shape)).map((x) => x * (sample.scale ?? 1));
    return [name, fixedWith(backend, values, shape, sample.gradient !== false && !sample.constant?.includes(name))];
  }));
  const outputs = [sample.record(tape, inputs)].flat();
  outputs.forEach((out, i) => {
    tape.output(out);
    if (sample.gradient === false) return;
    const weights = tape.input(normal(new RandomStream(99, i), sizeOf(out.shape)), out.shape);
    tape.emit('axpby', [weights, tape.gradOf(out).tensor], [sizeOf(out.shape), 1, 0]);
  });
  tape.backward();
  const program = tape.finish(new Arena(backend));
  await execute(program);
  return [...outputs, ...Object.values(inputs).flatMap((t) => t.grad ?? [])].map((t) => read(program, t));
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
