// Every op on every backend, from the samples in the op's own file: the reference's gradients against numeric ones, every
// other backend against the reference, kernel by kernel and gradient by gradient.
// TIEFSUCHE_ISA picks the instruction set of the cpu backend; test/isa.test.ts runs this file on each the machine has.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CpuBackend, nativeBuilt } from './backends/cpu/cpu.ts';
import { ReferenceBackend } from './backends/reference/reference.ts';
import { kernels, ops } from './ops/index.ts';
import { RandomStream } from './random.ts';
import { normal, runCase, runSample, valuesFor } from './trials.ts';

function assertClose(got: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what: string): void {
  let largest = 1e-3, worst = 0, at = -1;
  for (let i = 0; i < expected.length; i++) largest = Math.max(largest, Math.abs(expected[i]!));
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(got[i]! - expected[i]!);
    if (!(error <= worst)) { worst = error; at = i; }
    if (Number.isNaN(error)) break; // the next one would hide it
  }
  assert.ok(worst <= tolerance * largest, `${what}: entry ${at} is ${got[at]}, expected ${expected[at]} (tolerance ${tolerance} of ${largest})`);
}

const reference = new ReferenceBackend();
const cpu = nativeBuilt() ? new CpuBackend() : null;

for (const op of ops) for (const sample of op.samples) {
  if (sample.gradient !== false) test(`${op.name} (${sample.label}): gradients agree with differences`, async () => {
    const values = valuesFor(sample);
    const { grads } = await runSample(reference, sample, values);
    const random = new RandomStream(5, 0);
    for (const [name, grad] of Object.entries(grads)) {
      // Along random directions and along some single entries: (f(x + h d) − f(x − h d)) / 2h = ∇f·d.
      const n = grad.length, norm = Math.sqrt(grad.reduce((s, x) => s + x * x, 0));
      for (let trial = 0; trial < 4; trial++) {
        const direction = trial < 2 ? normal(random, n).map((x) => x / Math.sqrt(n)) : new Float32Array(n);
        if (trial >= 2) direction[random.integer(0, n - 1)] = 1;
        const h = 4e-3;
        const at = async (s: number): Promise<number> => (await runSample(reference, sample, { ...values, [name]: values[name]!.map((x, i) => x + s * h * direction[i]!) })).scalar;
        const numeric = (await at(1) - await at(-1)) / (2 * h);
        const exact = grad.reduce((s, x, i) => s + x * direction[i]!, 0);
        const size = Math.max(norm / Math.sqrt(n), 0.1) * 3;
        assert.ok(Math.abs(numeric - exact) <= (sample.tolerance ?? 2e-2) * size + 1e-3, `d ${name}: ${exact}, differences say ${numeric} (trial ${trial})`);
      }
    }
  });
  if (cpu) test(`${op.name} (${sample.label}): ${cpu.info().isa} agrees with the reference`, async () => {
    const expected = await runSample(reference, sample), got = await runSample(cpu, sample);
    expected.outputs.forEach((out, i) => assertClose(got.outputs[i]!, out, 2e-5, `output ${i}`));
    for (const [name, grad] of Object.entries(expected.grads)) assertClose(got.grads[name]!, grad, 1e-4, `d ${name}`);
  });
}

if (cpu) {
  for (const op of ops) for (const c of op.cases ?? []) test(`${op.name} / ${c.kernel} (${c.label}): ${cpu.info().isa} agrees with the reference`, async () => {
    const expected = await runCase(reference, c), got = await runCase(cpu, c);
    // The chunk of logits that crossEntropy works in is nobody's result.
    expected.forEach((e, i) => { if (!(c.kernel === 'crossEntropy' && i === expected.length - 1)) assertClose(got[i]!, e, c.tolerance ?? 2e-5, `tensor ${i}`); });
  });
  test('the cpu backend has every kernel', () => {
    assert.deepEqual([...kernels.keys()].filter((name) => !cpu.has(name)), []);
  });
}
