// A pass that begins the gradients anew gives the bits of one that adds to cleared ones, whatever was in their memory
// before and whatever lay there meanwhile; and a second pass adds to the first.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CpuBackend } from '../engine/backends/cpu/cpu.ts';
import { Arena, execute } from '../engine/program.ts';
import { RandomStream } from '../engine/random.ts';
import { Tape } from '../engine/tape.ts';
import { type Batch, recordLoss } from '../models/loss.ts';
import { Model } from '../models/model.ts';
import { benchModels } from '../../bench/models.ts';
import { trainables } from './updater.ts';

for (const name of ['llama-3m', 'deepseek-7m']) test(`${name}: gradients that begin anew, in memory that is lent until then`, async () => {
  const backend = new CpuBackend(), { config } = benchModels[name]!, model = new Model(backend, config, { trainable: true, maxPositions: 64 }), grads = model.parameters.grads!;
  model.parameters.initialise(1);
  const random = new RandomStream(1, 0), batchOf = (n: number): Batch => ({
    ids: Int32Array.from({ length: n }, () => random.integer(0, config.vocab_size - 1)), lengths: [n / 2, n / 2], rows: Int32Array.from({ length: n }, (_, i) => i),
    targets: Int32Array.from({ length: n }, () => random.integer(0, config.vocab_size - 1)), coefficients: new Float32Array(n).fill(1 / n),
  });
  const weights = trainables(model).weights.map(({ tensor }) => tensor), batches = [batchOf(128), batchOf(96)];
  const gradients = async (fresh: boolean, filled: number): Promise<{ bits: Int32Array; bytes: number }> => {
    const arena = new Arena(backend);
    for (const w of weights) backend.upload(w.grad!.storage.buffer!, w.grad!.storage.offset, new Float32Array(w.grad!.storage.bytes / 4).fill(filled));
    let bytes = 0;
    for (const [i, batch] of batches.entries()) {
      const tape = new Tape({ training: true, fresh: fresh && i === 0 });
      recordLoss(tape, model, batch);
      tape.backward();
      tape.clearUnwritten(weights);
      const program = tape.finish(arena);
      if (i === 0) bytes = program.arenaBytes;
      await execute(program);
    }
    const all = new Float32Array(grads.bytes / 4);
    backend.download(grads, 0, all);
    arena.close();
    return { bits: new Int32Array(all.map((x) => x + 0).buffer), bytes }; // −0 is 0
  };
  const added = await gradients(false, 0), anew = await gradients(true, 3);
  assert.ok(anew.bits.some((x) => x !== 0));
  assert.deepEqual(anew.bits, added.bits);
  assert.ok(anew.bytes < 0.9 * added.bytes, `${anew.bytes} beside ${added.bytes} bytes: something is lent`);
  model.close();
  backend.close();
});
