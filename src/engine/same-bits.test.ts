// Exact mode: every kernel computes the same bits with 1 thread and with 2, on AVX2 and on AVX-512.
// This file starts itself once for each combination; each prints a hash for every sample and case of every op, and for
// some cases large enough to be cut into many tasks; those are compared with the reference here, too.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CpuBackend, nativeBuilt } from './backends/cpu/cpu.ts';
import { ReferenceBackend } from './backends/reference/reference.ts';
import { ops } from './ops/index.ts';
import type { KernelCase } from './ops/op.ts';
import { runCase, runSample } from './trials.ts';

const range = (length: number, f: (i: number) => number): Int32Array => Int32Array.from({ length }, (_, i) => f(i));

const n = 100_003;
const large: readonly KernelCase[] = ([
  ['add', [n], [n, n, n]],
  ['axpby', [n, 0.3, 0.7], [n, n]],
  ['copyColumns', [500, 101, 110, 105, 1], [500 * 110, 500 * 105]],
  ['sum', [n], [n, 1]],
  ['squaredNorm', [n], [n, 1]],
  ['adamW', [n, 1e-2, 0.9, 0.95, 1e-8, 0.1, 1.5, 2.5], [n, n, n, { positive: n }, new Float32Array([0.7, 1])]],
  ['muonMomentum', [n, 0.95], [n, n, n, new Float32Array([0.7, 1])]],
  ['normalise', [n, 1e-7], [n, { positive: 1 }]],
  ['decayedStep', [n, 0.01, 0.002], [n, n]],
  // products in several blocks of K and of columns, with B held, B in place, and rows of A 4 KB apart
  ...[0, 1].flatMap((accumulate) => [
    ...([[500, 290, 1300, 1300], [70, 1500, 300, 300], [90, 40, 1019, 1024]] as const).map(([T, N, K, ld]) =>
      ['linear', [T, N, K, ld, N, accumulate], [T * ld, N * K, T * N, null]] as const),
    ...([[500, 1300, 96, 1300], [300, 1019, 32, 1024], [90, 960, 290, 960], [130, 2100, 512, 2100]] as const).map(([T, N, K, ld]) =>
      ['linearBackwardInput', [T, N, K, ld, K, accumulate], [T * ld, N * K, T * K]] as const),
    ...([[1300, 500, 96], [700, 530, 272], [640, 1024, 48]] as const).map(([T, N, K]) =>
      ['linearBackwardWeight', [T, N, K, N, K, accumulate], [T * N, T * K, N * K, null]] as const),
  ]),
  ['rmsNorm', [700, 2, 75, 160, 150, 1e-6, 1], [700 * 160, 75, 700 * 150, 1400]],
  ['rmsNormBackward', [700, 2, 75, 160, 150, 150, 1, 1], [700 * 160, 75, { positive: 1400 }, 700 * 150, 700 * 150, 75, 700 * 150, 11 * 75]],
  ...[0, 1].map((interleaved) => ['rope', [600, 5, 40, 6, 30, 200, interleaved, -1], [600 * 200, 50 * 30, range(600, (t) => t % 50)]] as const),
  ['swiglu', [400, 130, 260], [400 * 260, 400 * 130]],
  ['swigluBackward', [400, 130, 260, 260, 1], [400 * 260, 400 * 130, 400 * 260, 400 * 130]],
  ['geglu', [400, 130, 260], [400 * 260, 400 * 130]],
  ['gegluBackward', [400, 130, 260, 260, 1], [400 * 260, 400 * 130, 400 * 260, 400 * 130]],
  ['embedding', [600, 50, 200], [range(600, (t) => (t * t) % 50), 50 * 200, 600 * 200]],
  ['embeddingBackward', [600, 50, 200], [range(600, (t) => (t * t) % 50), 600 * 200, 50 * 200]],
  ['gatherRowsBackward', [300, 200, 200, 600, 0], [300 * 200, range(300, (i) => 599 - 2 * i), 600 * 200]],
  ['crossEntropy', [150, 33, 1100, 64, 0.7, 1, 0.2, 0.28, 33, 33, 1, 1, 1, 0.04, 0, 1],
    [150 * 33, 1100 * 33, range(150, (r) => r * 7), 150, new Float32Array(150).fill(-7), null, null, 150, 150, 150, 150 * 33, 1100 * 33, new Float32Array(150).fill(-6.8), 64 * 1100]],
  ...[0, 1].map((softmax) => ['moeRoute', [900, 40, 6, 4, 2, 1, 2.5, softmax, softmax, 2 - softmax], [900 * 40, 40, range(5400, () => 0), 5400, 900 * 40]] as const),
  ['moeBalance', [4, 40, 6, 0.01], [{ positive: 900 * 40 }, Int32Array.from([0, 300, 301, 700, 900]), 4, 900 * 40]],
  ['moeRouteBackward', [900, 40, 2, 1, 2.5, 0, 1], [1800, range(1800, (i) => (i * 7) % 40), { positive: 900 * 40 }, 900 * 40, 900 * 40]],
  ['moeGatherBackward', [500, 3, 65, 65, 1], [1500 * 65, range(1500, (i) => (i * 7) % 1500), 500 * 65]],
  ['moeCombine', [500, 3, 65], [1500 * 65, range(1500, (i) => (i * 7) % 1500), 1500, 500 * 65]],
  ['moeCombineBackward', [500, 3, 65], [500 * 65, 1500 * 65, range(1500, (i) => (i * 7) % 1500), 1500, 1500 * 65, 1500]],
  ...[[1, 0, 1, 0], [0.8, 50, 1, 0], [1.2, 0, 0.7, 0], [0.9, 400, 0.9, 0.02], [0, 0, 1, 0]].map((settings) => ['sample', [24, 5003, 2, 1, ...settings, 5, 0, 5003],
    [24 * 5003, range(24, () => 1), range(24, (b) => b), range(24, (b) => b + 2), range(24, () => 99), range(24, (b) => 3 * b), range(1, () => 7),
      range(48, () => 0), 48, range(24, () => 0), range(48 * 5003, () => 0), range(48, () => 0)]] as const),
] satisfies (readonly [kernel: string, attributes: readonly number[], tensors: KernelCase['tensors']])[])
  .map(([kernel, attributes, tensors], i) => ({ label: `large, ${i}`, kernel, attributes, tensors }));

/** The last tensor of these is nobody's result. */
const workSpaceLast = ['crossEntropy', 'rmsNormBackward'];

async function printHashes(): Promise<void> {
  const cpu = new CpuBackend();
  const hashes: Record<string, string> = {};
  const note = (label: string, results: readonly ArrayBufferView[]): void => {
    const hash = createHash('sha256');
    for (const r of results) hash.update(new Uint8Array(r.buffer, r.byteOffset, r.byteLength));
    hashes[label] = hash.digest('hex').slice(0, 16);
  };
  for (const op of ops) {
    for (const sample of op.samples) {
      const { outputs, grads } = await runSample(cpu, sample);
      note(`${op.name} (${sample.label})`, [...outputs, ...Object.values(grads)]);
    }
    for (const c of op.cases ?? []) note(`${op.name} / ${c.kernel} (${c.label})`, await runCase(cpu, c));
  }
  for (const c of large) note(`${c.kernel} (${c.label})`, await runCase(cpu, c));
  console.log(JSON.stringify(hashes));
}

function hashesWith(isa: string, threads: number): Record<string, string> {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const child = spawnSync(process.execPath, ['--import', 'tsx', fileURLToPath(import.meta.url)],
    { encoding: 'utf8', env: { ...env, TIEFSUCHE_PRINT_HASHES: '1', TIEFSUCHE_ISA: isa, TIEFSUCHE_THREADS: String(threads) } });
  assert.equal(child.status, 0, child.stderr);
  return JSON.parse(child.stdout) as Record<string, string>;
}

if (process.env['TIEFSUCHE_PRINT_HASHES']) await printHashes();
else if (nativeBuilt()) {
  for (const c of large) test(`${c.kernel} (${c.label}) agrees with the reference`, async () => {
    const expected = await runCase(new ReferenceBackend(), c), got = await runCase(new CpuBackend(), c);
    const results = workSpaceLast.includes(c.kernel) ? expected.length - 1 : expected.length;
    for (let i = 0; i < results; i++) {
      const numbers = Array.from(expected[i]!), largest = numbers.reduce((m, x) => Math.max(m, Math.abs(x)), 1e-3);
      numbers.forEach((x, j) => assert.ok(Math.abs(got[i]![j]! - x) <= 1e-4 * largest, `tensor ${i}, entry ${j}: ${got[i]![j]}, expected ${x}`));
    }
  });

  test('a kernel that is given too few attributes says so, and reads nothing that is not its own', async () => {
    const [c] = large;
    await assert.rejects(runCase(new CpuBackend(), { ...c!, attributes: c!.attributes.slice(0, -1) }), /too few attributes/);
  });

  const { isas } = (createRequire(import.meta.url)('../../build/tiefsuche.node') as { info(): { isas: string[] } }).info();
  const exact = isas.filter((isa) => isa !== 'baseline');
  const first = exact[0] === undefined ? null : { isa: exact[0], hashes: hashesWith(exact[0], 1) };
  for (const isa of exact) for (const threads of isa === first!.isa ? [2, 5] : [1, 2]) {
    test(`${isa} with ${threads} threads computes the bits of ${first!.isa} with 1`, () => assert.deepEqual(hashesWith(isa, threads), first!.hashes));
  }
}
