// crossEntropy: its gradients against differences; and the promise of exact mode, that the log-probability a token was
// sampled with is the trainer's, bit for bit, so that on policy the ratio is exactly 1.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Backend } from './backend.ts';
import { CpuBackend, nativeBuilt } from './backends/cpu/cpu.ts';
import { ReferenceBackend } from './backends/reference/reference.ts';
import { type CrossEntropyOptions, crossEntropy } from './ops/cross-entropy.ts';
import { linear, packLinear, packedElements } from './ops/linear.ts';
import { sample } from './ops/sample.ts';
import { Arena, execute, read, readInts } from './program.ts';
import { RandomStream } from './random.ts';
import { Tape } from './tape.ts';
import { fixedWith, normal } from './trials.ts';

/** Inputs of one loss: h (R, C), w (V, C). */
interface Problem {
  readonly C: number;
  readonly V: number;
  readonly h: Float32Array;
  readonly w: Float32Array;
  readonly targets: Int32Array;
  readonly coef: Float32Array;
  readonly temperature?: number;
  readonly support?: { readonly starts: Int32Array; readonly ids: Int32Array };
  readonly oldLogp?: Float32Array;
}

type Result = Record<'logp' | 'entropy' | 'loss' | 'dh' | 'dw', Float32Array>;

async function evaluate(backend: Backend, p: Problem): Promise<Result> {
  const tape = new Tape({ training: true });
  const R = p.targets.length;
  const h = fixedWith(backend, p.h, [R, p.C], true), w = fixedWith(backend, p.w, [p.V, p.C], true);
  const options: CrossEntropyOptions = {
    ...(p.temperature !== undefined && { temperature: p.temperature }),
    ...(p.support && { support: { starts: tape.input(p.support.starts), ids: tape.input(p.support.ids) } }),
    ...(p.oldLogp && { oldLogp: tape.input(p.oldLogp) }),
  };
  const { logp, entropy, loss } = crossEntropy(tape, h, w, tape.input(p.targets), tape.input(p.coef), options);
  for (const t of [logp, entropy, loss]) tape.output(t);
  const program = tape.finish(new Arena(backend));
  await execute(program);
  return { logp: read(program, logp), entropy: read(program, entropy), loss: read(program, loss), dh: read(program, h.grad!), dw: read(program, w.grad!) };
}

const sum = (x: Float32Array): number => x.reduce((a, b) => a + b, 0);
const reference = new ReferenceBackend();
const cpu = nativeBuilt() ? new CpuBackend() : null;
const backends = [reference, ...(cpu ? [cpu] : [])];

function randomProblem(R: number, C: number, V: number, seed: number): Problem {
  const random = new RandomStream(seed);
  const targets = Int32Array.from({ length: R }, () => random.integer(0, V - 1));
  return { C, V, h: normal(random, R * C), w: normal(random, V * C).map((x) => 0.3 * x), targets, coef: normal(random, R) };
}

/** The target and two neighbours for two rows of three, all tokens for the third. */
function someSupport({ targets, V }: Problem): { starts: Int32Array; ids: Int32Array } {
  const lists = Array.from(targets, (t, r) => (r % 3 === 2 ? [] : [...new Set([t, (t + 1) % V, (t + 4) % V])].sort((a, b) => a - b)));
  let end = 0;
  return { starts: Int32Array.from([0, ...lists.map((l) => (end += l.length))]), ids: Int32Array.from(lists.flat()) };
}

for (const temperature of [1, 0.6]) for (const cut of [false, true]) for (const policy of [false, true]) {
  test(`gradients agree with differences (temperature ${temperature}${cut ? ', support' : ''}${policy ? ', policy' : ''})`, async () => {
    let p: Problem = { ...randomProblem(6, 7, 11, 1), temperature };
    if (cut) p = { ...p, support: someSupport(p) };
    if (policy) { // ratios 1.6, 0.9, 1.1, 0.6, …: clipped and not, away from the bends at 0.8 and 1.28
      const { logp } = await evaluate(reference, p);
      p = { ...p, oldLogp: logp.map((x, r) => x + [-0.5, 0.1, -0.1, 0.5, -0.4, 0.4][r]!) };
    }
    const { dh, dw } = await evaluate(reference, p);
    const random = new RandomStream(2);
    for (const [name, grad] of [['h', dh], ['w', dw]] as const) for (let trial = 0; trial < 6; trial++) {
      const direction = normal(random, grad.length), step = 2e-3;
      const at = async (s: number): Promise<number> => sum((await evaluate(reference, { ...p, [name]: p[name].map((x, i) => x + s * step * direction[i]!) })).loss);
      const numeric = (await at(1) - await at(-1)) / (2 * step);
      const exact = grad.reduce((s, x, i) => s + x * direction[i]!, 0);
      assert.ok(Math.abs(numeric - exact) <= 5e-3 * Math.max(1, Math.abs(exact)), `d ${name}: ${exact}, differences say ${numeric}`);
    }
  });
}

for (const backend of backends) test(`${backend.info().name}: on policy the ratio is exactly 1`, async () => {
  const p: Problem = { ...randomProblem(40, 12, 90, 3), temperature: 0.9 };
  const plain = await evaluate(backend, p);
  const onPolicy = await evaluate(backend, { ...p, oldLogp: plain.logp });
  assert.deepEqual(onPolicy.loss, p.coef.map((a) => -a));
  assert.deepEqual(onPolicy.dh, plain.dh);
  assert.deepEqual(onPolicy.dw, plain.dw);
});

interface Settings { readonly temperature: number; readonly topK: number; readonly topP: number; readonly minP: number }

/** Samples one token from each row of h wᵀ. */
async function sampleRows(backend: Backend, { C, V, h, w }: Pick<Problem, 'C' | 'V' | 'h' | 'w'>, settings: Settings, packed = false, seed = 2 ** 40 + 77) {
  const B = h.length / C;
  const tape = new Tape({ training: false });
  const weight = tape.input(w, [V, C]);
  const panels = packed ? tape.temp([packedElements(V, C)]) : undefined;
  if (panels) packLinear(tape, weight, panels);
  const ints = (n: number, f: (b: number) => number = () => 0) => tape.output(tape.input(Int32Array.from({ length: n }, (_, b) => f(b))));
  const rows = {
    token: ints(B), seq: ints(B, (b) => b), pos: ints(B, (b) => 5 + (b % 9)), limit: ints(B, () => 100), stream: ints(B, (b) => b), stops: ints(1, () => -1),
    outTokens: tape.output(tape.input(new Int32Array(B), [B, 1])), outLogp: tape.output(tape.input(new Float32Array(B), [B, 1])), count: ints(B),
    support: { ids: tape.output(tape.input(new Int32Array(B * V), [B, 1, V])), sizes: ints(B) },
  };
  sample(tape, linear(tape, tape.input(h, [B, C]), weight, { packed: panels }), rows, { ...settings, seed });
  const program = tape.finish(new Arena(backend));
  await execute(program);
  const sizes = readInts(program, rows.support.sizes), kept = readInts(program, rows.support.ids);
  const lists = Array.from(sizes, (size, b) => kept.slice(b * V, b * V + size));
  let end = 0;
  const support = { starts: Int32Array.from([0, ...lists.map((l) => (end += l.length))]), ids: Int32Array.from(lists.flatMap((l) => [...l])) };
  return { tokens: readInts(program, rows.outTokens), logp: read(program, rows.outLogp), support };
}

const settingsToTry: readonly Settings[] = [
  { temperature: 1, topK: 0, topP: 1, minP: 0 },
  { temperature: 0.7, topK: 0, topP: 1, minP: 0 },
  { temperature: 0.7, topK: 10, topP: 1, minP: 0 },
  { temperature: 1.3, topK: 0, topP: 0.8, minP: 0 },
  { temperature: 1.1, topK: 30, topP: 0.9, minP: 0.02 },
  { temperature: 1, topK: 0, topP: 1, minP: 0.1 },
  { temperature: 0, topK: 0, topP: 1, minP: 0 },
];

if (cpu) for (const V of [37, 100, 1000]) for (const settings of settingsToTry) {
  test(`cpu: the sampled log-probability is the trainer's (V=${V}, ${JSON.stringify(settings)})`, async () => {
    const B = 24, C = 41, copies = 12; // the trainer sees the rows in other company, in several chunks
    const p = randomProblem(B, C, V, V);
    const repeat = <A extends Float32Array | Int32Array>(x: A): number[] => Array.from({ length: copies }, () => [...x]).flat();
    for (const packed of [false, true]) {
      const { tokens, logp, support } = await sampleRows(cpu, p, settings, packed);
      const supports = Array.from({ length: copies }, (_, i) => [...support.starts.slice(i === 0 ? 0 : 1)].map((s) => s + i * support.ids.length)).flat();
      const coef = Float32Array.from(repeat(p.coef)), repeated = Float32Array.from(repeat(logp));
      const trained = await evaluate(cpu, {
        ...p, h: Float32Array.from(repeat(p.h)), targets: Int32Array.from(repeat(tokens)), coef, oldLogp: repeated, temperature: settings.temperature || 1,
        support: { starts: Int32Array.from(supports), ids: Int32Array.from([...repeat(support.ids), 0]) },
      });
      assert.deepEqual(trained.logp, repeated);
      assert.deepEqual(trained.loss, coef.map((a) => -a));
    }
  });
}

for (const backend of backends) test(`${backend.info().name}: tokens are drawn with their probabilities`, async () => {
  const V = 8, B = 4000;
  const logits = Float32Array.from([0.3, -1, 2, 0, 1.5, -2, 0.7, 1]);
  const identity = { C: 1, V, h: new Float32Array(B).fill(1), w: logits };
  for (const { topK, kept } of [{ topK: 0, kept: [0, 1, 2, 3, 4, 5, 6, 7] }, { topK: 4, kept: [2, 4, 6, 7] }]) {
    const { tokens } = await sampleRows(backend, identity, { temperature: 0.8, topK, topP: 1, minP: 0 });
    const weights = kept.map((j) => Math.exp(logits[j]! / 0.8));
    const total = weights.reduce((a, b) => a + b, 0);
    const counts = kept.map((j) => tokens.filter((t) => t === j).length);
    assert.equal(counts.reduce((a, b) => a + b, 0), B, 'only kept tokens are drawn');
    const chiSquare = kept.reduce((s, _, i) => { const expected = (B * weights[i]!) / total; return s + (counts[i]! - expected) ** 2 / expected; }, 0);
    assert.ok(chiSquare < 24.3, `chi-square ${chiSquare} with ${kept.length - 1} degrees of freedom`); // 1 in 1000 with 7 degrees
  }
});
