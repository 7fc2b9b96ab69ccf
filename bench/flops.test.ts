// The FLOP counters against counts derived by hand, for two of the benchmark models: training (model and recompute) and
// sampling. The formulas are written out here from the architectures, not taken from the engine; peers/models.py has them
// a third time. A multiply-add is 2; backward of a matrix product is two products of the same size.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CpuBackend, nativeBuilt } from '../src/engine/backends/cpu/cpu.ts';
import { ReferenceBackend } from '../src/engine/backends/reference/reference.ts';
import { Arena } from '../src/engine/program.ts';
import { Tape } from '../src/engine/tape.ts';
import { recordLoss } from '../src/models/loss.ts';
import { Model } from '../src/models/model.ts';
import { Rollout } from '../src/reasoning/rollout.ts';
import { benchModels } from './models.ts';

/** Multiply-adds of the matrices a token passes in all layers, of the head, and per (query, key) pair in all layers. */
interface ByHand { readonly layers: number; readonly head: number; readonly scores: number; readonly values: number }

const byHand: Readonly<Record<string, ByHand>> = {
  // hidden 192; 6 layers; 6 query and 2 key heads of 32 channels; ffn 512; vocabulary 1024
  'llama-3m': {
    layers: 6 * (
      192 * (6 * 32) // q
      + 2 * 192 * (2 * 32) // k, v
      + (6 * 32) * 192 // o
      + 3 * 192 * 512), // gate, up, down
    head: 192 * 1024,
    scores: 6 * 6 * 32,
    values: 6 * 6 * 32,
  },
  // hidden 256; 6 layers, the first dense with ffn 704, then 8 experts of 128, 2 chosen and 1 shared; 8 heads;
  // q latent 96, kv latent 64; 32 + 16 channels in q and k, 32 in v; vocabulary 4096
  'deepseek-7m': {
    layers: 6 * (
      256 * 96 + 96 * (8 * (32 + 16)) // q down, up
      + 256 * (64 + 16) + 64 * (8 * (32 + 32)) // kv down with the shared rotated key, up
      + (8 * 32) * 256) // o
      + 3 * 256 * 704 // the dense layer
      + 5 * (256 * 8 + 3 * 256 * 128 * (2 + 1)), // router; chosen and shared experts
    head: 256 * 4096,
    scores: 6 * 8 * (32 + 16),
    values: 6 * 8 * 32,
  },
};

// The same numbers, multiplied out: a slip in a formula above would show here.
test('multiply-adds a token', () => {
  assert.deepEqual(byHand['llama-3m'], { layers: 2_359_296, head: 196_608, scores: 1152, values: 1152 });
  assert.deepEqual(byHand['deepseek-7m'], { layers: 3_106_816, head: 1_048_576, scores: 2304, values: 1536 });
});

for (const [name, { layers, head, scores, values }] of Object.entries(byHand)) {
  const { config, batch, length } = benchModels[name]!;

  test(`training ${name}: model and recomputed FLOP of a step`, () => {
    const backend = new ReferenceBackend(), model = new Model(backend, config, { trainable: true, maxPositions: length });
    const n = batch * length, tape = new Tape({ training: true });
    recordLoss(tape, model, {
      ids: new Int32Array(n), lengths: new Array<number>(batch).fill(length), rows: Int32Array.from({ length: n }, (_, i) => i),
      targets: new Int32Array(n), coefficients: new Float32Array(n),
    });
    tape.backward();
    const { flops } = tape.finish(new Arena(backend));
    const pairs = batch * (length * (length + 1)) / 2;
    const forward = 2 * n * (layers + head) + 2 * pairs * (scores + values);
    assert.deepEqual(flops, { model: 3 * forward, recompute: 2 * pairs * scores, sampling: 0 }); // attention computes its scores again in backward
  });

  test(`training ${name} on parts of documents: the head sees the rows with a target, pairs stay inside documents`, () => {
    const backend = new ReferenceBackend(), model = new Model(backend, config, { trainable: true, maxPositions: length });
    const lengths = [1, 40, 7], n = 48, rows = Int32Array.from([3, 4, 20, 44]), tape = new Tape({ training: true });
    recordLoss(tape, model, { ids: new Int32Array(n), lengths, rows, targets: new Int32Array(4), coefficients: new Float32Array(4) });
    tape.backward();
    const { flops } = tape.finish(new Arena(backend)), pairs = 1 + (40 * 41) / 2 + (7 * 8) / 2;
    assert.equal(flops.model, 3 * (2 * n * layers + 2 * 4 * head + 2 * pairs * (scores + values)));
    assert.equal(flops.recompute, 2 * pairs * scores);
  });

  test(`sampling from ${name}: every token fed once, a group's prompt once`, async () => {
    const backend = nativeBuilt() ? new CpuBackend() : new ReferenceBackend(), model = new Model(backend, config, { maxPositions: length });
    model.parameters.initialise(0);
    const arena = new Arena(backend), rollout = new Rollout(model, arena, { maxRows: 4, maxTokens: 100 }); // fewer rows than samples: some wait
    await rollout.refresh();
    const requests = [{ prompt: 70, samples: 3, maxNew: 13 }, { prompt: 5, samples: 2, maxNew: 9 }, { prompt: 1, samples: 1, maxNew: 4 }];
    const results = await rollout.generate(
      requests.map(({ prompt, samples, maxNew }, r) => ({ prompt: Int32Array.from({ length: prompt }, (_, i) => (i * 7 + r) % config.vocab_size), maxNew, streams: Array.from({ length: samples }, (_, s) => 10 * r + s) })),
      { stops: [], settings: { temperature: 1, topK: 0, topP: 1, minP: 0, seed: 1 } });
    let expected = 0;
    for (const [r, { prompt, samples, maxNew }] of requests.entries()) {
      assert.deepEqual(results[r]!.map((c) => c.tokens.length), new Array<number>(samples).fill(maxNew));
      const seen = (from: number, to: number): number => (to * (to + 1) - from * (from + 1)) / 2; // positions seen by tokens from … to − 1
      expected += 2 * (prompt - 1) * layers + 2 * seen(0, prompt - 1) * (scores + values); // the prompt but its last token, without the head
      expected += samples * (2 * maxNew * (layers + head) + 2 * seen(prompt - 1, prompt - 1 + maxNew) * (scores + values)); // its last token, then each new one but the last
    }
    assert.equal(rollout.flops, expected);
    rollout.close();
    arena.close();
    model.close();
    backend.close();
  });
}
