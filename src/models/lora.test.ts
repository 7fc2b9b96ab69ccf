// LoRA: logits, loss and gradients of PEFT's (float64, test/fixtures/tiny-lora); merging; adapters saved and loaded again;
// and that a frozen base has no gradient memory.

import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Backend } from '../engine/backend.ts';
import { CpuBackend, nativeBuilt } from '../engine/backends/cpu/cpu.ts';
import { ReferenceBackend } from '../engine/backends/reference/reference.ts';
import { Arena, execute, read } from '../engine/program.ts';
import { Tape } from '../engine/tape.ts';
import { loadAdapted, saveAdapter, saveAdapterWithoutWeights } from './adapter-files.ts';
import { openExportSource } from './export-source.ts';
import { latestCheckpoint } from './formats/checkpoint-folder.ts';
import { readPeftAdapter } from './formats/peft.ts';
import { readSafetensors } from './formats/safetensors.ts';
import { writeSafetensors } from './formats/safetensors-write.ts';
import { loadModel, openModelFiles, writtenWeights } from './load.ts';
import { applyLora } from './lora.ts';
import { logitsOf } from './logits.ts';
import { recordLoss } from './loss.ts';

const fixtures = fileURLToPath(new URL('../../test/fixtures/', import.meta.url));
const backends: Backend[] = [new ReferenceBackend(), ...(nativeBuilt() ? [new CpuBackend()] : [])];
const base = `${fixtures}tiny/llama`, adapter = `${fixtures}tiny-lora`;
const { sequences } = JSON.parse(readFileSync(`${adapter}/expected.json`, 'utf8')) as { sequences: Record<string, { ids: number[]; loss: number }> };

const worst = (a: Float32Array, b: Float32Array): number => a.reduce((w, x, i) => Math.max(w, Math.abs(x - b[i]!)), 0);

for (const backend of backends) test(`LoRA on ${backend.info().isa} agrees with PEFT: logits, loss, gradients`, async () => {
  const files = openModelFiles(base), model = loadAdapted(backend, files, adapter, { trainable: true }), expected = readSafetensors(`${adapter}/expected.safetensors`);
  assert.equal(model.parameters.grads, null, 'the frozen base has no gradient memory');
  for (const [key, { ids, loss }] of Object.entries(sequences)) {
    const n = ids.length - 1, all = Int32Array.from(ids);
    if (expected.tensors.has(`${key}.logits`)) assert.ok(worst(await logitsOf(model, all), expected.readFloat32(`${key}.logits`)) < 1e-4);
    backend.upload(model.lora!.parameters.grads!, 0, new Float32Array(model.lora!.parameters.grads!.bytes / 4));
    const tape = new Tape({ training: true });
    const recorded = recordLoss(tape, model, { ids: all, lengths: [ids.length], rows: Int32Array.from({ length: n }, (_, i) => i), targets: all.slice(1), coefficients: new Float32Array(n).fill(1 / n) });
    tape.backward();
    const program = tape.finish(new Arena(backend));
    await execute(program);
    assert.ok(Math.abs(read(program, recorded.loss).reduce((a, b) => a + b, 0) - loss) < 1e-5);
    for (const { name } of model.lora!.parameters.specs) {
      const gradient = expected.readFloat32(`${key}.grad.base_model.model.${name}`);
      const largest = gradient.reduce((m, x) => Math.max(m, Math.abs(x)), 0.01);
      assert.ok(worst(model.lora!.parameters.readGrad(name), gradient) < 5e-5 * largest, `gradient of ${name} (${key})`);
    }
  }
  files.close();
});

for (const backend of backends) test(`LoRA on ${backend.info().isa}: merged weights give the same logits`, async () => {
  const files = openModelFiles(base), adapted = loadAdapted(backend, files, adapter), merged = loadModel(backend, files), ids = Int32Array.from(sequences['b']!.ids);
  const plain = await logitsOf(merged, ids);
  for (const { name, data } of applyLora(writtenWeights(adapted.parameters), adapted.lora!)) merged.parameters.write(name, data());
  const separate = await logitsOf(adapted, ids), together = await logitsOf(merged, ids);
  assert.ok(worst(separate, plain) > 0.1, 'the adapter changes something');
  assert.ok(worst(separate, together) < 1e-4, `off by ${worst(separate, together)}`);
  files.close();
});

test('a checkpoint of adapters is a model: its base with them on it, also on its way out', async () => {
  const run = mkdtempSync(join(tmpdir(), 'tiefsuche-lora-')), checkpoint = join(run, 'checkpoints', 'step-00000020'), spoken = join(run, 'base'), files = openModelFiles(base), backend = backends.at(-1)!;
  try {
    const adapted = loadAdapted(backend, files, adapter), ids = Int32Array.from(sequences['b']!.ids);
    mkdirSync(checkpoint, { recursive: true });
    cpSync(base, spoken, { recursive: true });
    cpSync(`${fixtures}../data/tiny-rl-arithmetic-sequence/tokenizer_config.json`, join(spoken, 'tokenizer_config.json'));
    await writeSafetensors(join(checkpoint, 'weights.safetensors'), writtenWeights(adapted.lora!.parameters));
    assert.equal(latestCheckpoint(run), null);
    await saveAdapterWithoutWeights(join(run, 'model'), adapted, spoken);
    assert.equal(latestCheckpoint(run), checkpoint);
    const opened = openModelFiles(checkpoint), model = loadModel(backend, opened), source = openExportSource(checkpoint), name = 'model.layers.0.self_attn.q_proj.weight';
    assert.deepEqual(await logitsOf(model, ids), await logitsOf(adapted, ids));
    const merged = [...applyLora(writtenWeights(adapted.parameters), adapted.lora!)].find((w) => w.name === name)!;
    assert.deepEqual(source.read(name), merged.data());
    assert.throws(() => loadModel(backend, opened, { lora: { rank: 2, alpha: 4 } }), { code: 'UNSUPPORTED' });
    assert.throws(() => openExportSource(checkpoint, adapter), { code: 'UNSUPPORTED' });
    await saveAdapterWithoutWeights(join(run, 'model'), adapted, join(run, 'gone'));
    assert.throws(() => openModelFiles(checkpoint), { code: 'NOT_FOUND' });
    opened.close();
    source.close();
  } finally {
    rmSync(run, { recursive: true, force: true });
    files.close();
  }
});

test('an adapter is saved as PEFT has it, and read again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tiefsuche-lora-')), files = openModelFiles(base), backend = backends[0]!;
  try {
    await saveAdapter(join(folder, 'adapter'), loadAdapted(backend, files, adapter), 'tiny/llama');
    const [saved, original] = [readPeftAdapter(join(folder, 'adapter')), readPeftAdapter(adapter)];
    assert.deepEqual(new Map([...saved.modules].sort()), new Map([...original.modules].sort()));
    for (const key of ['r', 'lora_alpha', 'target_modules', 'peft_type', 'task_type', 'bias'] as const) assert.deepEqual(saved.config[key], original.config[key], key);
    assert.throws(() => loadAdapted(backend, openModelFiles(`${fixtures}../data/tiny-rl-arithmetic-sequence`), adapter), /shape|values|lacks|names no/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
    files.close();
  }
});
