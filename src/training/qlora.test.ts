// Adapters on a base in the few bits of its file learn what they learn on the same values in f32, bit for bit: losses of
// some steps, the adapters afterwards, what the model says with them, and the merged weights; layers kept or computed twice.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Backend } from '../engine/backend.ts';
import { CpuBackend, nativeBuilt } from '../engine/backends/cpu/cpu.ts';
import { ReferenceBackend } from '../engine/backends/reference/reference.ts';
import { compressedTypes } from '../engine/panels.ts';
import { Arena } from '../engine/program.ts';
import { RandomStream } from '../engine/random.ts';
import { fromFloat32 } from '../models/formats/dtypes.ts';
import { dequantize, ggmlTypes } from '../models/formats/gguf-quants.ts';
import type { TensorSource } from '../models/formats/tensor-source.ts';
import { loadModel, openModelFiles, writtenModel } from '../models/load.ts';
import { logitsOf } from '../models/logits.ts';
import { applyLora } from '../models/lora.ts';
import type { Batch } from '../models/loss.ts';
import { Updater } from './updater.ts';

const folder = fileURLToPath(new URL('../../test/data/tiny-rl-arithmetic-sequence', import.meta.url));
const backend: Backend = nativeBuilt() ? new CpuBackend() : new ReferenceBackend();

/** The same tensors, matrices replaced by blocks of a type: quants from everywhere, scales near 1/64. */
function inBlocks(source: TensorSource, dtype: string): TensorSource {
  const { block, bytes: size } = [...ggmlTypes.values()].find((t) => t.name === dtype)!, kept = new Map<string, Uint8Array<ArrayBuffer>>();
  const tensors = new Map([...source.tensors].map(([name, t]) => {
    if (t.shape.length !== 2 || t.shape[1]! % block !== 0) return [name, t];
    const n = t.shape[0]! * t.shape[1]!, random = new RandomStream(2, kept.size);
    const bytes = dtype.endsWith('16') ? new Uint8Array(fromFloat32(source.readFloat32(name), dtype as 'F16')) : Uint8Array.from({ length: (n / block) * size }, () => random.integer(0, 255));
    // The high byte of an f16: the exponent of numbers from 2⁻⁷ on; minima stand behind scales, and are negative.
    if (!dtype.endsWith('16')) for (let b = 0; b < bytes.length; b += size) { bytes[b + 1] = 0x20 | (bytes[b + 1]! & 3); if (dtype.endsWith('_1')) bytes[b + 3] = 0xa8 | (bytes[b + 3]! & 3); }
    kept.set(name, bytes);
    return [name, { ...t, dtype, byteLength: bytes.length }];
  }));
  return { ...source, tensors, readBytes: (name, start = 0, count = Infinity) => kept.get(name)?.slice(start, start + count) ?? source.readBytes(name, start, count), readFloat32: (name) => (kept.has(name) ? dequantize(kept.get(name)!, dtype) : source.readFloat32(name)) };
}

function batchOf(vocabulary: number, step: number): Batch {
  const lengths = [29, 1, 20], n = 50, random = new RandomStream(11, step), draw = (): Int32Array => Int32Array.from({ length: n }, () => random.integer(0, vocabulary - 1));
  return { ids: draw(), lengths, rows: Int32Array.from({ length: n }, (_, i) => i), targets: draw(), coefficients: new Float32Array(n).fill(1 / n) };
}

async function trained(dtype: string, precision: 'f32' | 'file', recompute: boolean): Promise<{ results: Float32Array[]; bytes: number }> {
  const files = openModelFiles(folder), arena = new Arena(backend), results: Float32Array[] = [];
  const model = loadModel(backend, { ...files, weights: inBlocks(files.weights, dtype) }, { trainable: true, lora: { rank: 4, alpha: 8 }, precision, recompute });
  model.lora!.parameters.initialise(3);
  assert.equal(model.compressed?.get('model.layers.0.self_attn.qkv')?.type, precision === 'file' ? compressedTypes[dtype] : undefined);
  const updater = new Updater(model, arena, { adamw: { lr: 0.01, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0 }, clip: 1 });
  for (let step = 1; step <= 4; step++) {
    const { loss, gradNorm, logp, entropy } = await updater.update([batchOf(model.dims.vocab, step)], step, 1);
    results.push(Float32Array.of(loss, gradNorm), logp, entropy);
  }
  assert.ok(results[0]![1]! > 0);
  results.push(...model.lora!.parameters.specs.map(({ name }) => model.lora!.parameters.read(name)), await logitsOf(model, batchOf(model.dims.vocab, 0).ids));
  for (const { data } of applyLora(writtenModel(model), model.lora!)) results.push(data().slice());
  const bytes = model.parameters.weights.bytes + (model.compressed?.bytes ?? 0);
  updater.close();
  arena.close();
  model.close();
  files.close();
  return { results, bytes };
}

for (const [dtype, share] of [['Q4_0', 0.25], ['Q4_1', 0.25], ['Q8_0', 0.35], ['F16', 0.55], ['BF16', 0.55]] as const) test(`on ${dtype}: the bits of the same values in f32, in less memory`, async () => {
  const wide = await trained(dtype, 'f32', false), kept = await trained(dtype, 'file', false), again = await trained(dtype, 'file', true);
  assert.deepEqual(kept.results, wide.results);
  assert.deepEqual(again.results, wide.results);
  assert.ok(kept.bytes < share * wide.bytes, `${kept.bytes} bytes against ${wide.bytes}`);
});
