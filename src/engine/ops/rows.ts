// gatherRows: out[i] = x[rows[i]]; backward adds dout[i] to dx[rows[i]]. The head and the loss see only the rows that
// have a target (the assistant's tokens), which saves their share of the largest matrix product.

import type { Tape } from '../tape.ts';
import type { Tensor } from '../tensor.ts';
import type { Op } from './op.ts';

/** x (T, C), rows (R) i32, each row at most once → (R, C). */
export function gatherRows(tape: Tape, x: Tensor, rows: Tensor): Tensor {
  const [T, C] = x.shape as [number, number];
  const R = rows.shape[0];
  const out = tape.temp([R, C], 'f32', 'rows');
  tape.emit('gatherRows', [x, rows, out], [R, C, x.ld]);
  tape.node(out, [x], () => {
    const dx = tape.gradOf(x);
    tape.emit('gatherRowsBackward', [tape.gradArrived(out), rows, dx.tensor], [R, C, dx.tensor.ld, T, dx.accumulate]);
  });
  return out;
}

export const rowsOp: Op = {
  name: 'rows',
  kernels: [
    {
      name: 'gatherRows', // t = x, rows, out; a = R, C, ldx
      reference: ([x, rows, out], [R, C, ldx]) => {
        for (let i = 0; i < R; i++) out.set(x.subarray(rows[i] * ldx, rows[i] * ldx + C), i * C);
      },
    },
    {
      name: 'gatherRowsBackward', // t = dout, rows, dx; a = R, C, lddx, T, accumulate (0: the other rows become 0)
      reference: ([dout, rows, dx], [R, C, lddx, T, accumulate]) => {
        if (!accumulate) for (let t = 0; t < T; t++) dx.fill(0, t * lddx, t * lddx + C);
        for (let i = 0; i < R; i++) for (let c = 0; c < C; c++) dx[rows[i] * lddx + c] += dout[i * C + c];
      },
    },
  ],
  samples: ([[9, 19, [7, 0, 3, 8]], [1, 1, [0]], [5, 16, [0, 1, 2, 3, 4]], [3, 7, []]] as const).map(([T, C, rows]) => ({
    label: `T=${T} C=${C} rows ${rows}`, inputs: { x: [T, C] },
    record: (tape: Tape, { x }: Readonly<Record<string, Tensor>>) => gatherRows(tape, x, tape.input(Int32Array.from(rows))),
  })),
};
