// Experts kept in the bits of their file: 16 bits give the bits of f32, Q8_0 comes close where chat computes and is exact where
// adapters train; attention that folds its latents away works on such a model too.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Backend } from '../engine/backend.ts';
import { CpuBackend, nativeBuilt } from '../engine/backends/cpu/cpu.ts';
import { ReferenceBackend } from '../engine/backends/reference/reference.ts';
import { charTokenizer } from '../tokenizer/char-tokenizer.ts';
import { exportGguf } from './export-gguf.ts';
import { openExportSource } from './export-source.ts';
import { saveModelFolder } from './formats/hf-folder.ts';
import { loadModel, openModelFiles } from './load.ts';
import { logitsOf } from './logits.ts';
import type { Model, ModelOptions } from './model.ts';

const place = mkdtempSync(join(tmpdir(), 'tiefsuche-experts-')), ids = Int32Array.from({ length: 41 }, (_, i) => (i * 7) % 40);
after(() => rmSync(place, { recursive: true, force: true }));

/** A model of test/fixtures/tiny, in bf16, with a tokenizer. */
async function inBf16(name: string, changes: object = {}): Promise<string> {
  const source = openModelFiles(fileURLToPath(new URL(`../../test/fixtures/tiny/${name}`, import.meta.url))), folder = join(place, name);
  const { tokenizerJson, tokenizerConfig } = charTokenizer(['a', 'b'], { tokens: ['<e>', '<u>'], eos: '<e>', unk: '<u>' });
  const tensors = [...source.weights.tensors.values()].map(({ name, shape }) => ({ name, shape, dtype: 'BF16' as const, data: () => source.weights.readFloat32(name) }));
  try { await saveModelFolder(folder, { config: { ...source.config, ...changes }, tensors, tokenizerJson, tokenizerConfig }); } finally { source.close(); }
  return folder;
}

async function logits(backend: Backend, path: string, options: ModelOptions, look: (model: Model) => void = () => {}): Promise<Float32Array> {
  const files = openModelFiles(path), model = loadModel(backend, files, options);
  files.close();
  look(model);
  const values = await logitsOf(model, ids);
  model.close();
  return values;
}

const worst = (a: Float32Array, b: Float32Array): number => a.reduce((w, x, i) => Math.max(w, Math.abs(x - b[i]!)), 0);

for (const backend of [new ReferenceBackend(), ...(nativeBuilt() ? [new CpuBackend()] : [])]) {
  test(`experts in 16 bits give the bits of f32 on ${backend.info().isa}`, async () => {
    for (const name of ['qwen3-moe', 'deepseek-v3']) {
      const path = await inBf16(name), experts = name === 'qwen3-moe' ? 'model.layers.0.mlp.experts.gate_up' : 'model.layers.1.mlp.experts.gate_up';
      const kept = await logits(backend, path, { precision: 'file' }, ({ compressed }) => assert.ok(compressed!.get(experts)!.type === 'bf16' && compressed!.get(experts)!.stack! > 1));
      assert.ok(worst(kept, await logits(backend, path, {})) <= (backend instanceof ReferenceBackend ? 1e-5 : 0), name);
    }
    const path = join(place, 'deepseek-v3'), folded = await logits(backend, path, { precision: 'file', absorbed: true }), plain = await logits(backend, path, {});
    assert.ok(worst(folded, plain) < 1e-4 * plain.reduce((m, x) => Math.max(m, Math.abs(x)), 0));
  });

  test(`experts as Q8_0 on ${backend.info().isa}: close where chat computes, exact beneath adapters`, async () => {
    const folder = await inBf16('qwen3-moe', { num_hidden_layers: 1, mlp_only_layers: [] }), path = join(place, `experts-${backend.info().isa}.gguf`), source = openExportSource(folder);
    try { await exportGguf(source, path, 'Q8_0'); } finally { source.close(); }
    const experts = (model: Model, name: string): unknown => { const { type, stack, shape } = model.compressed!.get(`model.layers.0.mlp.experts.${name}`)!; return [type, stack, ...shape]; };
    const wide = await logits(backend, path, {}), largest = wide.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
    const fast = await logits(backend, path, { precision: 'file' }, (model) => { assert.deepEqual(experts(model, 'gate_up'), ['q8', 8, 24, 32]); assert.deepEqual(experts(model, 'down'), ['f16', 8, 32, 12]); });
    assert.ok(worst(fast, wide) > 0 && worst(fast, wide) < 0.02 * largest, `off by ${worst(fast, wide)} of ${largest}`);
    const lora = { rank: 2, alpha: 2 }, exact = await logits(backend, path, { precision: 'file', trainable: true, lora });
    assert.ok(worst(exact, await logits(backend, path, { trainable: true, lora })) <= (backend instanceof ReferenceBackend ? 1e-5 * largest : 0));
  });
}
