// SwiGLU (Shazeer 2020): h = silu(gate) · up, silu(z) = z · σ(z). Gate and up stand side by side in one matrix.
// The way back makes h again, where dh was, and writes the gradient over gateUp.
//   dgate = dh · up · σ(gate) · (1 + gate · (1 − σ(gate))),  dup = dh · silu(gate).

import type { Tape } from '../tape.ts';
import { type Tensor, expectShape } from '../tensor.ts';
import type { Op } from './op.ts';

/** gateUp (T, 2F): gate in the first F columns, up in the rest → (T, F). The only reader of gateUp. */
export function swiglu(tape: Tape, gateUp: Tensor): Tensor {
  const T = gateUp.shape[0];
  const F = gateUp.shape[1] / 2;
  expectShape('swiglu', 'input', gateUp.shape, [T, 2 * Math.floor(F)]);
  const h = tape.temp([T, F], 'f32', 'swiglu');
  tape.emit('swiglu', [gateUp, h], [T, F, gateUp.ld]);
  tape.node(h, [gateUp], () => {
    const again = tape.isAwaited(h), dh = again ? tape.gradInPlace(h) : tape.gradArrived(h), d = tape.gradOver(gateUp);
    tape.emit('swigluBackward', [gateUp, dh, d.tensor, again ? dh : null], [T, F, gateUp.ld, d.tensor.ld, d.accumulate]);
    if (again) tape.restored(h, dh);
  });
  tape.fleeting(h);
  return h;
}

export const swigluOp: Op = {
  name: 'swiglu',
  kernels: [
    {
      name: 'swiglu', // t = gateUp, h; a = T, F, ld
      byRows: (command) => ({ rows: { command, strides: [command.attributes[2], command.attributes[1]], writes: [1] } }),
      reference: ([gu, h], [T, F, ld]) => {
        for (let t = 0; t < T; t++) for (let f = 0; f < F; f++) {
          const gate = gu[t * ld + f];
          h[t * F + f] = (gate / (1 + Math.exp(-gate))) * gu[t * ld + F + f];
        }
      },
    },
    {
      name: 'swigluBackward', // t = gateUp, dh, dgateUp (may be gateUp), h? (may be dh); a = T, F, ld, ldd, accumulate
      byRows: (command) => {
        const [, F, ld, ldd] = command.attributes;
        return { rows: { command, strides: [ld, F, ldd, F], writes: [2, 3] } };
      },
      reference: ([gu, dh, dgu, h], [T, F, ld, ldd, accumulate]) => {
        for (let t = 0; t < T; t++) for (let f = 0; f < F; f++) {
          const gate = gu[t * ld + f], up = gu[t * ld + F + f], d = dh[t * F + f];
          const sigma = 1 / (1 + Math.exp(-gate));
          const gi = t * ldd + f, ui = gi + F;
          dgu[gi] = d * up * sigma * (1 + gate * (1 - sigma)) + (accumulate ? dgu[gi] : 0);
          dgu[ui] = d * gate * sigma + (accumulate ? dgu[ui] : 0);
          if (h) h[t * F + f] = (gate / (1 + Math.exp(-gate))) * up;
        }
      },
    },
  ],
  samples: ([[1, 1], [3, 17], [65, 48]] as const).map(([T, F]) => ({
    label: `T=${T} F=${F}`, inputs: { gateUp: [T, 2 * F] }, record: (tape, { gateUp }) => swiglu(tape, gateUp),
  })),
};
