// Parameters of odd sizes stand in groups without gaps; an optimiser that updates neighbours together must still update
// every value once, with its own weight decay.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReferenceBackend } from '../engine/backends/reference/reference.ts';
import { Optimizer } from '../engine/optimizers.ts';
import { Arena, execute } from '../engine/program.ts';
import { Tape } from '../engine/tape.ts';
import { Parameters, type ParameterSpec } from './parameters.ts';

for (const method of ['adamw', 'muon'] as const) test(`${method}: the last value of an odd group and the first of what follows are updated once`, async () => {
  const backend = new ReferenceBackend();
  const matrix = (name: string, group?: string): ParameterSpec => ({ name, shape: [1, 17], kind: method === 'muon' ? 'head' : 'matrix', init: { value: 1 }, ...(group && { group }) });
  const specs: ParameterSpec[] = [matrix('a', 'group'), matrix('b', 'group'), { name: 'norm', shape: [20], kind: 'vector', init: { value: 1 } }, { ...matrix('hidden'), kind: 'matrix' }, matrix('c')];
  const parameters = new Parameters(backend, specs, { trainable: true });
  parameters.initialise(1);
  const optimizer = new Optimizer(backend, specs.map((s) => ({ name: s.name, kind: s.kind as 'matrix', tensor: parameters.get(s.name) })), parameters.grads!, {
    adamw: { lr: 0.1, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.5 }, clip: 0,
    ...(method === 'muon' && { muon: { lr: 0.1, momentum: 0.9, weightDecay: 0.5, scale: 'moonlight' as const } }),
  });
  for (const { name, shape } of specs) {
    const { grad } = parameters.get(name);
    backend.upload(grad!.storage.buffer!, grad!.storage.offset, new Float32Array(shape.reduce((x, y) => x * y, 1)).fill(1));
  }
  const tape = new Tape({ training: true });
  optimizer.recordNorm(tape);
  optimizer.record(tape, 1, 1);
  await execute(tape.finish(new Arena(backend)));
  for (const { name } of specs) {
    const values = parameters.read(name);
    assert.ok(values.every((x) => x === values[0]), `${name}: equal values with equal gradients become ${[...new Set(values)].join(', ')}`);
    assert.notEqual(values[0], 1, `${name} was not updated`);
  }
});
