// For tests: exact values from test/fixtures/golden (float64, made by make-golden.py), and the backends to hold to them.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Backend } from '../src/engine/backend.ts';
import { CpuBackend, nativeBuilt } from '../src/engine/backends/cpu/cpu.ts';
import { ReferenceBackend } from '../src/engine/backends/reference/reference.ts';
import { Arena, execute, read } from '../src/engine/program.ts';
import { Tape } from '../src/engine/tape.ts';
import type { Tensor } from '../src/engine/tensor.ts';

/** An array as it stands in the files. */
export interface Golden { readonly shape: number[]; readonly data: number[] }

export const golden = <T>(name: string): T => JSON.parse(readFileSync(new URL(`./fixtures/golden/${name}.json`, import.meta.url), 'utf8')) as T;

/** The reference, and the native kernels on whatever TIEFSUCHE_ISA asks for. */
export const backends: readonly Backend[] = [new ReferenceBackend(), ...(nativeBuilt() ? [new CpuBackend()] : [])];

/** Runs what `record` puts on a tape, then reads the tensors it returns. */
export async function runOn(backend: Backend, record: (tape: Tape) => readonly Tensor[], { training = false } = {}): Promise<Float32Array[]> {
  const tape = new Tape({ training }), results = record(tape), arena = new Arena(backend);
  for (const t of results) tape.output(t);
  const program = tape.finish(arena);
  await execute(program);
  const values = results.map((t) => read(program, t));
  arena.close();
  return values;
}

/** Every entry within `tolerance` times the largest expected one, or times `floor` where all are smaller. */
export function assertNear(got: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what: string, floor = 0): void {
  assert.equal(got.length, expected.length, what);
  const largest = Array.from(expected).reduce((m, x) => Math.max(m, Math.abs(x)), floor);
  for (let i = 0; i < expected.length; i++) {
    assert.ok(Math.abs(got[i] - expected[i]) <= tolerance * largest, `${what}: entry ${i} is ${got[i]}, expected ${expected[i]} (tolerance ${tolerance} of ${largest})`);
  }
}
