// Embedding: out[t] = table[ids[t]]. Backward adds dout[t] to dtable[ids[t]], in the order of t.
// T tokens, V vocabulary, C channels.

import type { Tape } from '../tape.ts';
import { type Tensor, expectShape } from '../tensor.ts';
import type { Op } from './op.ts';

/** ids (T) i32, table (V, C) → (T, C). */
export function embedding(tape: Tape, ids: Tensor, table: Tensor): Tensor {
  const T = ids.shape[0];
  const [V, C] = table.shape as [number, number];
  expectShape('embedding', 'ids', ids.shape, [T]);
  const out = tape.temp([T, C], 'f32', 'embedding');
  tape.emit('embedding', [ids, table, out], [T, V, C]);
  tape.node(out, [table], () => {
    tape.emit('embeddingBackward', [ids, tape.gradArrived(out), tape.gradSum(table)], [T, V, C]);
  });
  return out;
}

export const embeddingOp: Op = {
  name: 'embedding',
  kernels: [
    {
      name: 'embedding', // t = ids, table, out; a = T, V, C
      reference: ([ids, table, out], [T, , C]) => {
        for (let t = 0; t < T; t++) out.set(table.subarray(ids[t] * C, (ids[t] + 1) * C), t * C);
      },
    },
    {
      name: 'embeddingBackward', // t = ids, dout, dtable (+=); a = T, V, C
      reference: ([ids, dout, dtable], [T, , C]) => {
        for (let t = 0; t < T; t++) for (let c = 0; c < C; c++) dtable[ids[t] * C + c] += dout[t * C + c];
      },
    },
  ],
  samples: ([[1, 48], [7, 5], [33, 48], [3, 1], [19, 17]] as const).map(([T, C]) => ({
    label: `T=${T} C=${C}`,
    inputs: { table: [11, C] },
    record: (tape, { table }) => embedding(tape, tape.input(Int32Array.from({ length: T }, (_, t) => (t * 7) % 11)), table),
  })),
};
