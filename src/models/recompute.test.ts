// Layers computed again on the way back give the bits that kept ones give: losses, every gradient, the load of experts;
// with weights and with adapters training; in less memory, and counted as work done twice.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Backend } from '../engine/backend.ts';
import { CpuBackend, nativeBuilt } from '../engine/backends/cpu/cpu.ts';
import { ReferenceBackend } from '../engine/backends/reference/reference.ts';
import { Arena, execute, read } from '../engine/program.ts';
import { RandomStream } from '../engine/random.ts';
import { Tape } from '../engine/tape.ts';
import { sizeOf } from '../engine/tensor.ts';
import { loadModel, openModelFiles } from './load.ts';
import type { LoraConfig } from './lora.ts';
import { type Batch, recordLoss } from './loss.ts';

const fixtures = fileURLToPath(new URL('../../test/fixtures/', import.meta.url));
const backend: Backend = nativeBuilt() ? new CpuBackend() : new ReferenceBackend();

function batchOf(vocabulary: number, mtpWeight: number): Batch {
  const lengths = [37, 1, 26], n = 64, random = new RandomStream(11, 0), draw = (): Int32Array => Int32Array.from({ length: n }, () => random.integer(0, vocabulary - 1));
  const rows = Int32Array.from({ length: n }, (_, i) => i).filter((i) => i % 3 !== 1);
  return { ids: draw(), lengths, rows, targets: draw().slice(0, rows.length), coefficients: new Float32Array(rows.length).fill(1 / rows.length), mtpWeight };
}

async function passed(path: string, recompute: boolean, lora?: LoraConfig): Promise<{ bits: Uint8Array[]; arenaBytes: number; flops: { model: number; recompute: number } }> {
  const files = openModelFiles(path), model = loadModel(backend, files, { trainable: true, ...(lora && { lora }) });
  model.lora?.parameters.initialise(3);
  for (const { name } of model.lora?.parameters.specs ?? []) if (name.includes('lora_B')) model.lora!.parameters.write(name, model.lora!.parameters.read(name).map((_, i) => Math.sin(i) / 10));
  const tape = new Tape({ training: true, recompute }), recorded = recordLoss(tape, model, batchOf(model.dims.vocab, model.dims.mtp ? 0.3 : 0));
  tape.backward();
  const program = tape.finish(new Arena(backend));
  await execute(program);
  const { grads } = (model.lora ?? model).parameters, gradients = new Float32Array(grads!.bytes / 4);
  backend.download(grads!, 0, gradients);
  const counts = [...model.expertCounts.values()].map((t) => { const values = new Float32Array(sizeOf(t.shape)); backend.download(t.storage.buffer!, t.storage.offset, values); return values; });
  const results = [gradients, ...counts, ...[recorded.loss, recorded.entropy, ...recorded.ahead, ...recorded.auxiliary].map((t) => read(program, t))];
  files.close();
  model.close();
  return { bits: results.map((r) => new Uint8Array(r.buffer, r.byteOffset, r.byteLength)), arenaBytes: program.arenaBytes, flops: program.flops };
}

for (const name of ['tiny/llama', 'tiny/qwen2', 'tiny/qwen3', 'tiny/qwen3-moe', 'tiny/gemma3', 'tiny/smollm3', 'tiny/deepseek-v2', 'tiny/deepseek-v3-qlora-yarn', 'mtp/moe']) {
  for (const lora of [undefined, { rank: 3, alpha: 6 }]) test(`${name}, ${lora ? 'adapters' : 'weights'}: computed again or kept, the same bits`, async () => {
    const kept = await passed(fixtures + name, false, lora), again = await passed(fixtures + name, true, lora);
    assert.ok(kept.bits[0]!.some((b) => b !== 0));
    assert.deepEqual(again.bits, kept.bits);
    assert.equal(again.flops.model, kept.flops.model);
    assert.ok(again.flops.recompute > kept.flops.recompute);
    assert.ok(again.arenaBytes < kept.arenaBytes, `${again.arenaBytes} bytes against ${kept.arenaBytes}`);
  });
}
