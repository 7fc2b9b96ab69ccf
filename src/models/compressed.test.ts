// Weights in few bits against the same weights in f32: 16 bits give the same bits, quantised ones come close, and a
// token's value does not depend on what else is in the batch in either case.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Backend } from '../engine/backend.ts';
import { CpuBackend, nativeBuilt } from '../engine/backends/cpu/cpu.ts';
import { ReferenceBackend } from '../engine/backends/reference/reference.ts';
import { type CompressedWeight, embeddingCompressed, linearFrozen } from '../engine/ops/linear-compressed.ts';
import { linear } from '../engine/ops/linear.ts';
import { compressedBytes, compressedTypes, fromPanels } from '../engine/panels.ts';
import { intoPanels } from '../engine/panels-from-files.ts';
import { Arena, execute, read } from '../engine/program.ts';
import { RandomStream } from '../engine/random.ts';
import { Tape } from '../engine/tape.ts';
import { fixedWith, normal } from '../engine/trials.ts';
import { float16Bits } from './formats/dtypes.ts';
import { dequantizeQ8_0 } from './formats/gguf-quants.ts';
import type { TensorSource } from './formats/tensor-source.ts';
import { loadModel, openModelFiles } from './load.ts';
import { logitsOf } from './logits.ts';

const folder = fileURLToPath(new URL('../../test/data/tiny-rl-arithmetic-sequence', import.meta.url));
const native: readonly Backend[] = nativeBuilt() ? [new CpuBackend()] : [];
const ids = Int32Array.from({ length: 41 }, (_, i) => (i * 7) % 13);

for (const backend of native) test('a bf16 file kept in 16 bits gives the bits of the same file in f32', async () => {
  const files = openModelFiles(folder);
  const [wide, kept] = [loadModel(backend, files), loadModel(backend, files, { precision: 'file' })];
  assert.equal(kept.compressed?.get('lm_head.weight')?.type, 'bf16');
  assert.ok(kept.parameters.count() < wide.parameters.count() / 100, 'matrices are not held in f32 as well');
  assert.deepEqual(await logitsOf(kept, ids), await logitsOf(wide, ids));
  files.close();
});

/** The same tensors with matrices as Q8_0 blocks. */
function quantised(source: TensorSource): TensorSource {
  const isMatrix = (name: string): boolean => { const s = source.tensors.get(name)!.shape; return s.length === 2 && s[1]! % 32 === 0; };
  const readBytes = (name: string, start = 0, count?: number): Uint8Array<ArrayBuffer> => {
    if (!isMatrix(name)) return source.readBytes(name, start, count);
    const values = source.readFloat32(name), out = new Uint8Array((values.length / 32) * 34), view = new DataView(out.buffer);
    for (let b = 0; b < values.length / 32; b++) {
      const block = values.subarray(b * 32, b * 32 + 32), scale = Math.max(...block.map(Math.abs)) / 127;
      view.setUint16(b * 34, float16Bits(scale), true);
      block.forEach((x, i) => view.setInt8(b * 34 + 2 + i, scale > 0 ? Math.max(-127, Math.min(127, Math.round(x / scale))) : 0));
    }
    return out.slice(start, count === undefined ? undefined : start + count);
  };
  return {
    ...source, readBytes,
    tensors: new Map([...source.tensors].map(([name, t]) => [name, isMatrix(name) ? { ...t, dtype: 'Q8_0', byteLength: (t.shape[0]! * t.shape[1]! / 32) * 34 } : t])),
    readFloat32: (name) => (isMatrix(name) ? dequantizeQ8_0(readBytes(name)) : source.readFloat32(name)),
  };
}

for (const backend of [new ReferenceBackend(), ...native]) test(`quantised weights come close on ${backend.info().isa}, whatever else is in the batch`, async () => {
  const files = openModelFiles(folder), source = { ...files, weights: quantised(files.weights) };
  const [wide, kept] = [loadModel(backend, source), loadModel(backend, source, { precision: 'file' })];
  assert.equal(kept.compressed?.get('model.layers.0.self_attn.qkv')?.type, 'q8');
  const expected = await logitsOf(wide, ids), got = await logitsOf(kept, ids);
  const worst = expected.reduce((w, x, i) => Math.max(w, Math.abs(x - got[i]!)), 0), largest = expected.reduce((w, x) => Math.max(w, Math.abs(x)), 0);
  assert.ok(worst > 0 && worst < 0.02 * largest, `off by ${worst} of ${largest}`);
  assert.deepEqual(await logitsOf(kept, ids.slice(0, 5)), got.slice(0, 5 * 16), 'alone as in company');
  assert.throws(() => kept.head, /few bits/);
  files.close();
});

const stored = JSON.parse(readFileSync(new URL('../../test/fixtures/gguf-dequantised.json', import.meta.url), 'utf8')) as Record<string, { blocks: string; values: string }>;
const bytesOf = (base64: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(base64, 'base64'));

for (const [fileType, type] of Object.entries(compressedTypes)) if (stored[fileType]) test(`${fileType} kept in few bits has gguf's values, and products with it have the bits of f32`, async () => {
  const values = new Float32Array(bytesOf(stored[fileType]!.values).buffer), K = values.length, N = 19, T = 5;
  const panels = new Uint8Array(compressedBytes(type, N, K)), into = new Float32Array(K);
  for (let n = 0; n < N; n++) intoPanels(fileType, bytesOf(stored[fileType]!.blocks), K, n, panels);
  fromPanels(type, panels, K, 17, 1, into);
  into.forEach((x, k) => assert.ok(x === values[k], `value ${k} is ${x}, gguf has ${values[k]}`)); // −0 is 0
  for (const backend of [new ReferenceBackend(), ...native]) {
    const tape = new Tape({ training: true }), arena = new Arena(backend), wide = new Float32Array(N * K), random = new RandomStream(1, 0);
    for (let n = 0; n < N; n++) wide.set(values, n * K);
    const kept: CompressedWeight = { type, shape: [N, K], panels: tape.input(new Int32Array(panels.buffer)) }, x = fixedWith(backend, normal(random, T * K), [T, K], true), again = fixedWith(backend, normal(new RandomStream(1, 0), T * K), [T, K], true);
    const results = [linearFrozen(tape, x, kept), linear(tape, again, tape.input(wide, [N, K])), embeddingCompressed(tape, tape.input(Int32Array.of(18, 0)), kept)].map((t) => tape.output(t));
    const slope = normal(random, T * N);
    for (const y of results.slice(0, 2)) tape.emit('axpby', [tape.input(slope, y.shape), tape.gradOf(y).tensor], [T * N, 1, 0]);
    tape.backward();
    const program = tape.finish(arena);
    await execute(program);
    const [frozen, plain, rows] = results.map((t) => read(program, t));
    assert.deepEqual(frozen, plain);
    assert.deepEqual(read(program, x.grad!), read(program, again.grad!));
    rows!.forEach((v, k) => assert.ok(v === values[k % K]));
  }
});
