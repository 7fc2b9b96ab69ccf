// Rotary position embedding (Su et al. 2021), in place, on R of the D channels of each head.
//   pair (a, b) at angle θ = position · freq_i:  a' = a·cos θ − b·sin θ,  b' = b·cos θ + a·sin θ.
// `half` (Llama, Qwen): pairs (i, i + R/2). `interleaved` (DeepSeek): pairs (2i, 2i + 1), order kept.
// Backward turns by −θ. The table holds cos and sin of every position, made once from our own sine and cosine.

import { invariant } from '../../errors.ts';
import type { Tape } from '../tape.ts';
import type { Tensor } from '../tensor.ts';
import type { Op } from './op.ts';
import { ropeTable } from '../rope-table.ts';

export interface RopeOptions {
  readonly heads: number;
  /** Elements between two heads. */
  readonly headStride: number;
  /** First channel of a head that is turned. */
  readonly start: number;
  readonly layout: 'half' | 'interleaved';
}

/** x (T, heads · headStride) is turned in place; table (P, R): R/2 cosines, then R/2 sines a row; positions (T) i32. */
export function rope(tape: Tape, x: Tensor, table: Tensor, positions: Tensor, options: RopeOptions): Tensor {
  const T = x.shape[0];
  const R = table.shape[1];
  const { heads, headStride, start, layout } = options;
  invariant(start + R <= headStride && heads * headStride <= x.ld, `rope: ${R} channels from ${start} do not fit heads of ${headStride}`);
  const attributes = (ld: number, direction: 1 | -1) => [T, heads, headStride, start, R, ld, layout === 'interleaved' ? 1 : 0, direction];
  tape.emit('rope', [x, table, positions], attributes(x.ld, 1));
  tape.node(x, [x], () => {
    const dx = tape.gradInPlace(x);
    tape.emit('rope', [dx, table, positions], attributes(dx.ld, -1));
  });
  return x;
}

export const ropeOp: Op = {
  name: 'rope',
  kernels: [
    {
      name: 'rope', // t = x (in place), table, positions; a = T, heads, head stride, start, R, ld, interleaved, direction
      byRows: (command) => ({ rows: { command, strides: [command.attributes[5], 0, 1], writes: [0] } }),
      reference: ([x, table, positions], [T, heads, headStride, start, R, ld, interleaved, direction]) => {
        const half = R / 2;
        for (let t = 0; t < T; t++) for (let h = 0; h < heads; h++) for (let i = 0; i < half; i++) {
          const at = t * ld + h * headStride + start;
          const ai = interleaved ? at + 2 * i : at + i, bi = interleaved ? ai + 1 : ai + half;
          const c = table[positions[t] * R + i], s = table[positions[t] * R + half + i] * direction;
          const a = x[ai], b = x[bi];
          x[ai] = a * c - b * s;
          x[bi] = b * c + a * s;
        }
      },
    },
  ],
  samples: (['half', 'interleaved'] as const).flatMap((layout) => ([[5, 1, 8, 0, 8], [17, 3, 24, 8, 16], [4, 2, 6, 0, 2]] as const).map(([T, heads, headStride, start, R]) => ({
    label: `${layout} T=${T} heads=${heads} stride=${headStride} start=${start} R=${R}`,
    inputs: { x: [T, heads * headStride] },
    record: (tape: Tape, { x }: Readonly<Record<string, Tensor>>) => {
      const table = tape.input(ropeTable(40, { dim: R, theta: 10000 }), [40, R]);
      const positions = tape.input(Int32Array.from({ length: T }, (_, t) => (t * 5) % 40));
      const copy = tape.temp(x.shape);
      tape.emit('axpby', [x, copy], [T * heads * headStride, 1, 0]);
      tape.node(copy, [x], () => { const dx = tape.gradOf(x); tape.emit('axpby', [tape.gradArrived(copy), dx.tensor], [T * heads * headStride, 1, dx.accumulate]); });
      return rope(tape, copy, table, positions, { heads, headStride, start, layout });
    },
  }))),
};
