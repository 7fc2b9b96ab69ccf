// Our logits, losses and gradients against transformers', in float64, on tiny random models (test/fixtures/tiny), on
// both backends. Tolerances: a few times what transformers' own f32 differs from its f64.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Backend } from '../engine/backend.ts';
import { CpuBackend, nativeBuilt } from '../engine/backends/cpu/cpu.ts';
import { ReferenceBackend } from '../engine/backends/reference/reference.ts';
import { Arena, execute, read } from '../engine/program.ts';
import { Tape } from '../engine/tape.ts';
import { readSafetensors } from './formats/safetensors.ts';
import { loadModel, openModelFiles } from './load.ts';
import { logitsOf } from './logits.ts';
import { type Batch, recordLoss } from './loss.ts';
import type { Model } from './model.ts';

const fixtures = fileURLToPath(new URL('../../test/fixtures/', import.meta.url));
const backends: Backend[] = [new ReferenceBackend(), ...(nativeBuilt() ? [new CpuBackend()] : [])];

function maxError(got: Float32Array, expected: Float32Array): { error: number; largest: number } {
  assert.equal(got.length, expected.length);
  let error = 0, largest = 0;
  for (let i = 0; i < got.length; i++) {
    error = Math.max(error, Math.abs(got[i]! - expected[i]!));
    largest = Math.max(largest, Math.abs(expected[i]!));
    if (Number.isNaN(got[i]!)) error = Infinity;
  }
  return { error, largest };
}

function nextTokenBatch(ids: Int32Array, mtpWeight = 0): Batch {
  const n = ids.length - 1;
  return { ids, lengths: [ids.length], rows: Int32Array.from({ length: n }, (_, i) => i), targets: ids.slice(1), coefficients: new Float32Array(n).fill(1 / n), mtpWeight };
}

function zeroGrads(model: Model): void {
  const { grads } = model.parameters;
  model.backend.upload(grads!, 0, new Float32Array(grads!.bytes / 4));
}

async function lossAndGradients(model: Model, batch: Batch): Promise<{ loss: number; ahead: number }> {
  zeroGrads(model);
  const tape = new Tape({ training: true });
  const recorded = recordLoss(tape, model, batch);
  tape.backward();
  const program = tape.finish(new Arena(model.backend));
  await execute(program);
  const sum = (values: Float32Array): number => values.reduce((a, b) => a + b, 0);
  return { loss: sum(read(program, recorded.loss)), ahead: recorded.ahead.reduce((s, t) => s + sum(read(program, t)), 0) };
}

interface Expected { purpose?: string; sequences: Record<string, { ids: number[]; loss: number; main_loss: number; mtp_loss: number }> }

const cases = readdirSync(`${fixtures}tiny`).flatMap((name) => readdirSync(`${fixtures}tiny/${name}`).filter((f) => f.endsWith('.json') && f.startsWith('expected'))
  .map((file) => ({ name, file, maskedScore: file.includes('zero') ? 'zero' : 'neg_inf' })));

for (const { name, file, maskedScore } of cases) for (const backend of backends) {
  test(`${name} (dropped groups ${maskedScore}) on ${backend.info().isa} agrees with transformers`, async () => {
    const folder = `${fixtures}tiny/${name}`;
    const files = openModelFiles(folder);
    const model = loadModel(backend, { ...files, config: { ...files.config, masked_score: maskedScore } }, { trainable: true });
    const expected = JSON.parse(readFileSync(`${folder}/${file}`, 'utf8')) as Expected;
    const tensors = readSafetensors(`${folder}/${file.replace('.json', '.safetensors')}`);
    const sequences = Object.entries(expected.sequences);
    const together = await logitsOf(model, ...sequences.map(([, s]) => Int32Array.from(s.ids)));
    let row = 0;
    for (const [key, { ids, loss }] of sequences) {
      const logits = tensors.readFloat32(`${key}.logits`);
      const part = together.subarray(row, row + logits.length);
      row += logits.length;
      const { error, largest } = maxError(part, logits);
      assert.ok(error <= 1e-5 * largest, `logits of ${key}: off by ${error} of ${largest}`);
      const got = await lossAndGradients(model, nextTokenBatch(Int32Array.from(ids)));
      assert.ok(Math.abs(got.loss - loss) < 2e-5, `loss of ${key}: ${got.loss}, expected ${loss}`);
      for (const spec of model.parameters.specs) {
        const name = `${key}.grad.${spec.name}`;
        if (spec.kind === 'buffer' || (key === 'a' && !tensors.tensors.has(name))) continue; // every fixture has those of b
        const d = maxError(model.parameters.readGrad(spec.name), tensors.readFloat32(name));
        assert.ok(d.error <= 2e-5 * Math.max(d.largest, 0.1), `gradient of ${spec.name} (${key}): off by ${d.error} of ${d.largest}`);
      }
    }
  });
}

for (const name of readdirSync(`${fixtures}mtp`)) for (const backend of backends) {
  test(`multi-token prediction (${name}) on ${backend.info().isa} agrees with the equations`, async () => {
    const folder = `${fixtures}mtp/${name}`;
    const files = openModelFiles(folder);
    const model = loadModel(backend, files, { trainable: true });
    const expected = JSON.parse(readFileSync(`${folder}/expected.json`, 'utf8')) as Expected & { lambda: number };
    const tensors = readSafetensors(`${folder}/expected.safetensors`);
    for (const [key, { ids, main_loss }] of Object.entries(expected.sequences)) {
      // Mean over the n − 1 main and over the n − 2 predicted-ahead positions: our rows carry 1/(n − 1).
      const mtpWeight = expected.lambda * (ids.length - 1) / (ids.length - 2);
      const got = await lossAndGradients(model, nextTokenBatch(Int32Array.from(ids), mtpWeight));
      assert.ok(Math.abs(got.loss - main_loss) < 2e-5, `main loss of ${key}: ${got.loss}, expected ${main_loss}`);
      assert.ok(Math.abs(got.ahead - expected.lambda * expected.sequences[key]!.mtp_loss) < 2e-5, `MTP loss of ${key}: ${got.ahead / expected.lambda}, expected ${expected.sequences[key]!.mtp_loss}`);
      for (const spec of model.parameters.specs) {
        const name = `${key}.grad.${spec.name}`;
        if (spec.kind === 'buffer' || (key === 'a' && !tensors.tensors.has(name))) continue; // every fixture has those of b
        const d = maxError(model.parameters.readGrad(spec.name), tensors.readFloat32(name));
        assert.ok(d.error <= 2e-5 * Math.max(d.largest, 0.1), `gradient of ${spec.name} (${key}): off by ${d.error} of ${d.largest}`);
      }
    }
  });
}
