// z = [x | y]: two matrices side by side. Backward hands each its columns.

import type { Tape } from '../tape.ts';
import { type Tensor, columns, expectShape } from '../tensor.ts';
import type { Op } from './op.ts';

/** x (T, C1), y (T, C2) → (T, C1 + C2). */
export function concatColumns(tape: Tape, x: Tensor, y: Tensor): Tensor {
  const T = x.shape[0];
  expectShape('concatColumns', 'second input', y.shape, [T, y.shape[1]]);
  const z = tape.temp([T, x.shape[1] + y.shape[1]], 'f32', 'concat');
  const parts = [[x, columns(z, 0, x.shape[1])], [y, columns(z, x.shape[1], y.shape[1])]] as const;
  for (const [part, place] of parts) tape.emit('copyColumns', [part, place], [T, part.shape[1], part.ld, place.ld, 0]);
  tape.node(z, [x, y], () => {
    for (const [part, place] of parts) {
      if (!tape.needsGrad(part)) continue;
      const from = tape.gradArrived(place), to = tape.gradOf(part);
      tape.emit('copyColumns', [from, to.tensor], [T, part.shape[1], from.ld, to.tensor.ld, to.accumulate]);
    }
  });
  return z;
}

export const concatColumnsOp: Op = {
  name: 'concatColumns',
  kernels: [
    {
      name: 'copyColumns', // t = x, y; a = T, C, ldx, ldy, accumulate: y (+)= x
      byRows: (command) => ({ rows: { command, strides: [command.attributes[2], command.attributes[3]], writes: [1] } }),
      reference: ([x, y], [T, C, ldx, ldy, accumulate]) => {
        for (let t = 0; t < T; t++) for (let c = 0; c < C; c++) y[t * ldy + c] = x[t * ldx + c] + (accumulate ? y[t * ldy + c] : 0);
      },
    },
  ],
  samples: ([[1, 1, 2], [5, 19, 32], [33, 1, 15]] as const).map(([T, C1, C2]) => ({
    label: `T=${T} C=${C1}+${C2}`, inputs: { x: [T, C1], y: [T, C2] }, record: (tape, { x, y }) => concatColumns(tape, x, y),
  })),
};
