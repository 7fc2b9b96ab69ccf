// AdamW against ten steps of torch.optim.AdamW, Muon against its formulas in double precision, and what both promise:
// orthogonal updates inside the band of singular values, Moonlight's root mean square of 0.2.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Golden, assertNear, backends, golden, runOn } from '../../test/golden.ts';
import type { Backend } from './backend.ts';
import { type MuonSettings, type OptimizerSettings, Optimizer, type Trainable, orthogonalise, scheduleFactor } from './optimizers.ts';
import { RandomStream } from './random.ts';
import { fixedTensor, sizeOf } from './tensor.ts';
import { normal } from './trials.ts';

interface Weight { readonly name: string; readonly shape: number[]; readonly kind: Trainable['kind']; readonly data: ArrayLike<number> }

/** Weights in one buffer, gradients in another, laid out alike; feeds gradients and steps. */
function openTrial(backend: Backend, weights: readonly Weight[], settings: OptimizerSettings) {
  const starts: number[] = [];
  let end = 0;
  for (const w of weights) { starts.push(end); end += Math.ceil((sizeOf(w.shape) * 4) / 64) * 64; }
  const values = backend.allocate(end), grads = backend.allocate(end);
  const trainables = weights.map(({ name, shape, kind }, i) => ({ name, kind, tensor: fixedTensor(values, starts[i]!, shape, 'f32', name, fixedTensor(grads, starts[i]!, shape)) }));
  weights.forEach((w, i) => backend.upload(values, starts[i]!, Float32Array.from(w.data)));
  const optimizer = new Optimizer(backend, trainables, grads, settings);
  let steps = 0;
  return {
    async step(gradients: readonly ArrayLike<number>[]): Promise<number> {
      gradients.forEach((g, i) => backend.upload(grads, starts[i]!, Float32Array.from(g)));
      steps++;
      const [norm] = await runOn(backend, (tape) => { optimizer.recordNorm(tape); optimizer.record(tape, steps, 1); return [optimizer.norm]; });
      return norm![1]!;
    },
    read(i: number): Float32Array {
      const into = new Float32Array(sizeOf(weights[i]!.shape));
      backend.download(values, starts[i]!, into);
      return into;
    },
    close(): void { optimizer.close(); backend.free(values); backend.free(grads); },
  };
}

type Pair = Record<'decayed' | 'free', Golden>;
const adamw = golden<{ lr: number; betas: [number, number]; eps: number; weights: Pair; gradients: Pair[]; cases: { clip: number | null; norms: number[] | null; after_1: Pair; after_10: Pair }[] }>('adamw');

for (const backend of backends) for (const { clip, norms, after_1, after_10 } of adamw.cases) {
  test(`ten steps of AdamW${clip === null ? '' : `, clipped at ${clip}`}, on ${backend.info().isa} as torch does them`, async () => {
    const trial = openTrial(backend, [
      { name: 'decayed', kind: 'matrix', ...adamw.weights.decayed }, { name: 'free', kind: 'vector', ...adamw.weights.free },
    ], { adamw: { lr: adamw.lr, beta1: adamw.betas[0], beta2: adamw.betas[1], eps: adamw.eps, weightDecay: 0.1 }, clip: clip ?? 0 });
    for (const [i, g] of adamw.gradients.entries()) {
      const norm = await trial.step([g.decayed.data, g.free.data]);
      if (norms) assert.ok(Math.abs(norm / norms[i]! - 1) < 1e-6, `norm ${i}: ${norm}, expected ${norms[i]}`);
      const expected = i === 0 ? after_1 : i === 9 ? after_10 : null;
      if (expected) for (const [k, name] of (['decayed', 'free'] as const).entries()) assertNear(trial.read(k), expected[name].data, 5e-7, `${name} after ${i + 1}`);
    }
    trial.close();
  });
}

const muon = golden<{
  newton_schulz: { name: string; input: Golden; keller5: Golden }[];
  steps: { scaling: 'keller' | 'moonlight'; lr: number; momentum: number; weight_decay: number; weight: Golden; gradients: Golden[]; weight_after: Golden }[];
  singular_values: { input: Golden; keller5: Golden };
  'bands_of_singular_values_for_inputs_0.01_to_1': { keller5: [number, number] };
}>('muon');

const orthogonalised = async (backend: Backend, { shape, data }: { shape: readonly number[]; data: ArrayLike<number> }): Promise<Float32Array> =>
  (await runOn(backend, (tape) => [orthogonalise(tape, tape.input(Float32Array.from(data), shape))]))[0]!;

for (const backend of backends) {
  const { isa } = backend.info();
  for (const { name, input, keller5 } of muon.newton_schulz) {
    test(`Newton and Schulz's iteration of a ${name} matrix on ${isa}`, async () => assertNear(await orthogonalised(backend, input), keller5.data, 1e-4, name));
  }

  for (const { scaling, lr, momentum, weight_decay: weightDecay, weight, gradients, weight_after } of muon.steps) {
    test(`four steps of Muon on ${weight.shape.join('×')}, scaled as ${scaling}, on ${isa}`, async () => {
      const settings: MuonSettings = { lr, momentum, weightDecay, scale: scaling === 'keller' ? 'jordan' : 'moonlight' };
      const trial = openTrial(backend, [{ name: 'w', kind: 'matrix', ...weight }], { adamw: { lr: 1, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 1 }, muon: settings, clip: 0 });
      for (const g of gradients) await trial.step([g.data]);
      const change = (after: ArrayLike<number>): number[] => Array.from(after, (x, i) => x - weight.data[i]!);
      assertNear(change(trial.read(0)), change(weight_after.data), 2e-4, 'change');
      trial.close();
    });
  }

  test(`singular values end where the polynomial sends them, on ${isa}`, async () => {
    // Diagonal matrices of norm 1: the singular values are the entries. Two runs cover the inputs in [0.01, 1].
    const [low, high] = muon['bands_of_singular_values_for_inputs_0.01_to_1'].keller5;
    assert.ok(Math.abs(low - 0.682) < 1e-3 && Math.abs(high - 1.134) < 1e-3);
    for (const [i, s] of muon.singular_values.input.data.entries()) {
      const rest = Math.sqrt(1 - s * s), n = rest > 0 ? 2 : 1;
      const result = await orthogonalised(backend, { shape: [n, n], data: n === 1 ? [s] : [s, 0, 0, rest] });
      assert.ok(Math.abs(result[0]! - muon.singular_values.keller5.data[i]!) < 5e-5, `${s} became ${result[0]}, expected ${muon.singular_values.keller5.data[i]}`);
      for (const value of n === 1 ? [result[0]!] : [result[0]!, result[3]!]) if (s >= 0.01) assert.ok(value > low - 1e-4 && value < high + 1e-4, `${value} is outside the band`);
    }
  });

  test(`Moonlight's update has a root mean square of 0.2 times the singular values' own, on ${isa}`, async () => {
    // Of an orthogonal (A, B) matrix it is 1/√max(A, B), so 0.2 √max(A, B) makes it 0.2; five steps leave singular values in the band.
    for (const [rows, columns] of [[24, 40], [40, 24], [32, 32]] as const) {
      const n = rows * columns, g = normal(new RandomStream(11, rows), n);
      const trial = openTrial(backend, [{ name: 'w', kind: 'matrix', shape: [rows, columns], data: new Float32Array(n) }],
        { adamw: { lr: 1, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0 }, muon: { lr: 1, momentum: 0.95, weightDecay: 0, scale: 'moonlight' }, clip: 0 });
      await trial.step([g]);
      const rms = Math.sqrt(trial.read(0).reduce((s, x) => s + x * x, 0) / n);
      // Singular values of o from the same formula: Σ σ² = ‖o‖², over min(rows, columns) of them.
      const o = await orthogonalised(backend, { shape: [rows, columns], data: g }), mean = Math.sqrt(o.reduce((s, x) => s + x * x, 0) / Math.min(rows, columns));
      assert.ok(mean > 0.682 && mean < 1.134, `root mean square of the singular values ${mean}`);
      assert.ok(Math.abs(rms / mean - 0.2) < 1e-5, `${rms} / ${mean}`);
      trial.close();
    }
  });
}

test('schedules: warm-up, a constant stretch, then down to the floor', () => {
  const linear = { warmup: 4, decay: 'linear', decayShare: 0.5, floor: 0.1 } as const;
  const factors = Array.from({ length: 20 }, (_, i) => scheduleFactor(linear, i, 20));
  assert.deepEqual(factors.slice(0, 11).map((x) => Number(x.toFixed(6))), [0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1, 1, 1, 0.91]);
  assert.ok(Math.abs(factors[19]! - 0.1) < 1e-12);
  const cosine = Array.from({ length: 20 }, (_, i) => scheduleFactor({ warmup: 0, decay: 'cosine', decayShare: 1, floor: 0 }, i, 20));
  assert.ok(Math.abs(cosine[9]! - 0.5) < 1e-9 && Math.abs(cosine[19]!) < 1e-9);
});
