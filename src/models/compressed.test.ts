// Weights in few bits against the same weights in f32: 16 bits give the same bits, quantised ones come close, and a
// token's value does not depend on what else is in the batch in either case.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Backend } from '../engine/backend.ts';
import { CpuBackend, nativeBuilt } from '../engine/backends/cpu/cpu.ts';
import { ReferenceBackend } from '../engine/backends/reference/reference.ts';
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
