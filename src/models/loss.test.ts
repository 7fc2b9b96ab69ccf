// Odd batches: documents of one token, too short for anything to be predicted ahead, and experts that get no token.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { backends } from '../../test/golden.ts';
import { Arena, execute, read } from '../engine/program.ts';
import { Tape } from '../engine/tape.ts';
import { loadModel, openModelFiles } from './load.ts';
import { type Batch, recordLoss } from './loss.ts';

for (const backend of backends) test(`short documents with multi-token prediction on ${backend.info().isa}`, async () => {
  const files = openModelFiles(fileURLToPath(new URL('../../test/fixtures/mtp/moe', import.meta.url)));
  const model = loadModel(backend, files, { trainable: true });
  files.close();
  const batches: [what: string, ahead: number, batch: Batch][] = [
    ['nothing ahead', 0, { ids: Int32Array.of(3, 4, 5, 6), lengths: [1, 2, 1], rows: Int32Array.of(1), targets: Int32Array.of(5), coefficients: Float32Array.of(1), mtpWeight: 0.3 }],
    ['one ahead', 1, { ids: Int32Array.of(3, 4, 5, 6), lengths: [3, 1], rows: Int32Array.of(0, 1), targets: Int32Array.of(4, 5), coefficients: Float32Array.of(0.5, 0.5), mtpWeight: 0.3 }],
  ];
  for (const [what, ahead, batch] of batches) {
    model.backend.upload(model.parameters.grads!, 0, new Float32Array(model.parameters.grads!.bytes / 4));
    const tape = new Tape({ training: true }), recorded = recordLoss(tape, model, batch);
    tape.backward();
    const program = tape.finish(new Arena(backend));
    await execute(program);
    assert.deepEqual(recorded.ahead.map((t) => t.shape[0]), [ahead], what);
    assert.ok(read(program, recorded.loss).every((x) => Number.isFinite(x) && x > 0), what);
    for (const spec of model.parameters.specs) {
      if (spec.kind === 'buffer') continue;
      assert.ok(model.parameters.readGrad(spec.name).every(Number.isFinite), `${what}: gradient of ${spec.name}`);
    }
    const module = `model.layers.${model.dims.layers}.`, used = model.parameters.readGrad(`${module}eh_proj.weight`).some((x) => x !== 0);
    assert.equal(used, ahead > 0, `${what}: the module's gradient`);
    // Four tokens choose at most eight experts; those without any have gradients of exactly zero.
    const idle = model.parameters.specs.filter((s) => /layers\.\d\.mlp\.experts\.\d+\.up_proj/.test(s.name) && model.parameters.readGrad(s.name).every((x) => x === 0));
    assert.ok(idle.length > 0, `${what}: some expert got no token`);
  }
  model.close();
});
