// Attention against golden values in float64: grouped queries, sliding windows, documents, MLA's two head sizes; outputs
// and gradients, and what the FLOP counters say about each.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Golden, assertNear, backends, golden } from '../../../test/golden.ts';
import { Arena, execute, read } from '../program.ts';
import { Tape } from '../tape.ts';
import { fixedWith } from '../trials.ts';
import { attention, countPairs, documents } from './attention.ts';

type Arrays = Record<'q' | 'k' | 'v' | 'out' | 'dout' | 'dq' | 'dk' | 'dv', Golden>;
const { cases } = golden<{ cases: ({ name: string; window: number | null; documents: number[]; scale: number; pairs: number } & Arrays)[] }>('attention');

for (const backend of backends) for (const c of cases) {
  test(`attention (${c.name}) on ${backend.info().isa}`, async () => {
    const [T, Hq, D] = c.q.shape, [, Hkv, Dv] = c.v.shape, window = c.window ?? 0;
    const tape = new Tape({ training: true });
    const [q, k, v] = ([[c.q, Hq * D], [c.k, Hkv * D], [c.v, Hkv * Dv]] as const).map(([x, width]) => fixedWith(backend, Float32Array.from(x.data), [T, width], true));
    const out = tape.output(attention(tape, { tensor: q, stride: D }, { tensor: k, stride: D }, { tensor: v, stride: Dv }, documents(tape, c.documents),
      { queryHeads: Hq, keyHeads: Hkv, D, Dv, scale: c.scale, window }));
    tape.emit('axpby', [tape.input(Float32Array.from(c.dout.data), out.shape), tape.gradOf(out).tensor], [T * Hq * Dv, 1, 0]);
    tape.backward();
    const program = tape.finish(new Arena(backend));
    await execute(program);
    assertNear(read(program, out), c.out.data, 5e-7, 'out');
    for (const [t, expected, what] of [[q, c.dq, 'dq'], [k, c.dk, 'dk'], [v, c.dv, 'dv']] as const) assertNear(read(program, t.grad!), expected.data, 1e-6, what, 1);

    assert.equal(countPairs(c.documents, window), c.pairs);
    // Forward: q·k and p·v. Backward: dv, dp, dq, dk; the scores once more.
    assert.deepEqual(program.flops, { model: c.pairs * Hq * (2 * D + 2 * Dv) * 3, recompute: c.pairs * Hq * 2 * D, sampling: 0 });
  });
}
