// Sampling over caches in fewer bits says nearly the same as over f32: log-probabilities of the same tokens within a
// tolerance, from half or about a quarter of the memory; grouped queries, and MLA both expanded and absorbed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { backends } from '../../test/golden.ts';
import type { Backend } from '../engine/backend.ts';
import type { CacheType } from '../engine/cache-pages.ts';
import { cacheShapes } from '../engine/ops/attention-cached.ts';
import { Arena, execute, read } from '../engine/program.ts';
import { Tape } from '../engine/tape.ts';
import { bytesPerElement, sizeOf } from '../engine/tensor.ts';
import { loadModel, openModelFiles } from '../models/load.ts';
import { Rollout } from './rollout.ts';

const load = (backend: Backend, name: string, absorbed: boolean) => {
  const files = openModelFiles(fileURLToPath(new URL(`../../test/fixtures/tiny/${name}`, import.meta.url))), model = loadModel(backend, files, { absorbed });
  files.close();
  return model;
};

/** Logits of 100 tokens over two pages, and the bytes of the caches. */
async function decoded(backend: Backend, name: string, absorbed: boolean, type: CacheType): Promise<{ logits: Float32Array; bytes: number }> {
  const model = load(backend, name, absorbed), n = 100, tape = new Tape({ training: false }), shapes = cacheShapes(type, 2, model.cache);
  const caches = Array.from({ length: model.dims.layers }, () => ({ keys: tape.temp(...shapes.keys), values: tape.temp(...shapes.values), type }));
  for (const { keys, values } of caches) for (const pages of [keys, values]) tape.emit('fill', [pages], [pages.storage.bytes / 4, 0]);
  const rows = { table: tape.input(Int32Array.from([1, 0]), [1, 2]), rowSeq: tape.input(new Int32Array(n)), rowPos: tape.input(Int32Array.from({ length: n }, (_, i) => i)) };
  const hidden = model.decode(tape, tape.input(Int32Array.from({ length: n }, (_, i) => (i * 13) % model.dims.vocab)), rows, caches);
  const logits = tape.output(model.logits(tape, hidden)), program = tape.finish(new Arena(backend));
  await execute(program);
  const values = read(program, logits);
  model.close();
  return { logits: values, bytes: [shapes.keys, shapes.values].reduce((sum, [shape, dtype]) => sum + sizeOf(shape) * bytesPerElement[dtype], 0) };
}

for (const backend of backends) for (const [name, absorbed] of [['llama', false], ['deepseek-v3-qlora-yarn', false], ['deepseek-v3-qlora-yarn', true]] as const) {
  test(`${name}${absorbed ? ', absorbed' : ''}: caches of 16 and 8 bits, on ${backend.info().isa}`, async () => {
    const exact = await decoded(backend, name, absorbed, 'f32'), largest = exact.logits.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
    for (const [type, tolerance, share] of [['f16', 2e-3, 0.5], ['q8', name === 'llama' ? 5e-2 : Infinity, 0.6]] as const) { // 8 bits may choose another expert
      const { logits, bytes } = await decoded(backend, name, absorbed, type);
      const error = exact.logits.reduce((m, x, i) => Math.max(m, Math.abs(x - logits[i]!)), 0) / largest;
      assert.ok(error > 0 && error < tolerance, `${type}: off by ${error} of the largest logit`);
      assert.ok(bytes <= share * exact.bytes, `${type}: ${bytes} of ${exact.bytes} bytes`);
    }
  });
}

for (const backend of backends) test(`samples of one prompt, over pages shared and copied, on ${backend.info().isa}`, async () => {
  const model = load(backend, 'llama', false), request = { prompt: Int32Array.from({ length: 70 }, (_, i) => (i * 7) % model.dims.vocab), maxNew: 20, streams: [0, 1, 2] };
  const logps: number[][] = [], bytes: number[] = [];
  for (const cache of ['f32', 'f16', 'q8'] as const) {
    const arena = new Arena(backend), rollout = new Rollout(model, arena, { maxRows: 4, maxTokens: 96, cache });
    await rollout.refresh();
    const [completions] = await rollout.generate([request], { stops: [], settings: { temperature: 1, topK: 0, topP: 1, minP: 0, seed: 4 } });
    logps.push(completions!.flatMap((c) => [...c.logp.subarray(0, 4)]));
    bytes.push(rollout.bytes);
    rollout.close();
    arena.close();
  }
  const [exact, half] = logps as [number[], number[]]; // with 8 bits other tokens are drawn here
  exact.forEach((x, i) => assert.ok(Math.abs(x - half[i]!) < 5e-3, `token ${i}: ${x}, ${half[i]}`));
  assert.ok(bytes[0]! > bytes[1]! && bytes[1]! > bytes[2]!);
  model.close();
});
