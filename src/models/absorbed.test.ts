// Absorbed MLA says the same as expanded MLA to the precision of f32, from a cache that is several times smaller; with a
// query latent and without, with YaRN, and over several pages.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Backend } from '../engine/backend.ts';
import { CpuBackend, nativeBuilt } from '../engine/backends/cpu/cpu.ts';
import { ReferenceBackend } from '../engine/backends/reference/reference.ts';
import { keyBlock } from '../engine/ops/attention.ts';
import { Arena, execute, read } from '../engine/program.ts';
import { Tape } from '../engine/tape.ts';
import { loadModel, openModelFiles } from './load.ts';

async function decodedLogits(backend: Backend, folder: string, absorbed: boolean): Promise<{ logits: Float32Array; cacheFloats: number }> {
  const files = openModelFiles(folder), model = loadModel(backend, files, { absorbed }), n = 100, arena = new Arena(backend);
  files.close();
  const { keyHeads, D, Dv } = model.cache, tape = new Tape({ training: false });
  const caches = Array.from({ length: model.dims.layers }, () => ({ keys: tape.temp([2, keyHeads, D, keyBlock]), values: tape.temp([2, keyHeads, keyBlock, Dv]) }));
  for (const { keys, values } of caches) for (const pages of [keys, values]) tape.emit('fill', [pages], [pages.storage.bytes / 4, 0]);
  const rows = { table: tape.input(Int32Array.from([1, 0]), [1, 2]), rowSeq: tape.input(new Int32Array(n)), rowPos: tape.input(Int32Array.from({ length: n }, (_, i) => i)) };
  const hidden = model.decode(tape, tape.input(Int32Array.from({ length: n }, (_, i) => (i * 13) % model.dims.vocab)), rows, caches);
  const logits = tape.output(model.logits(tape, hidden)), program = tape.finish(arena);
  await execute(program);
  return { logits: read(program, logits), cacheFloats: keyHeads * (D + Dv) };
}

for (const backend of [new ReferenceBackend(), ...(nativeBuilt() ? [new CpuBackend()] : [])]) for (const name of ['deepseek-v3', 'deepseek-v3-qlora-yarn']) {
  test(`absorbed and expanded attention agree: ${name} on ${backend.info().isa}`, async () => {
    const folder = fileURLToPath(new URL(`../../test/fixtures/tiny/${name}`, import.meta.url));
    const expanded = await decodedLogits(backend, folder, false), absorbed = await decodedLogits(backend, folder, true);
    let error = 0, largest = 0;
    expanded.logits.forEach((x, i) => { error = Math.max(error, Math.abs(x - absorbed.logits[i]!)); largest = Math.max(largest, Math.abs(x)); });
    assert.ok(error <= 2e-5 * largest, `off by ${error} of ${largest}`);
    assert.ok(error > 0, 'the two forms round differently; identical numbers mean that only one was used');
    assert.ok(absorbed.cacheFloats < expanded.cacheFloats / 2);
  });
}
