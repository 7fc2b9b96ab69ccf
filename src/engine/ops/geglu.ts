// GeGLU (Shazeer 2020) with GELU in its tanh form, as Gemma has it: h = gelu(gate) · up. Gate and up stand side by side.
//   gelu(z) = z/2 · (1 + tanh(v/2)) = z · σ(v),  v = 2√(2/π) (z + 0.044715 z³);
//   dgate = dh · up · σ(v) · (1 + z · (1 − σ(v)) · v'),  dup = dh · gelu(gate).

import type { Tape } from '../tape.ts';
import { type Tensor, expectShape } from '../tensor.ts';
import type { Op } from './op.ts';

const slope = 2 * Math.sqrt(2 / Math.PI), cubic = 0.044715;

/** gateUp (T, 2F): gate in the first F columns, up in the rest → (T, F). The only reader of gateUp; the way back is as in swiglu.ts. */
export function geglu(tape: Tape, gateUp: Tensor): Tensor {
  const T = gateUp.shape[0];
  const F = gateUp.shape[1] / 2;
  expectShape('geglu', 'input', gateUp.shape, [T, 2 * Math.floor(F)]);
  const h = tape.temp([T, F], 'f32', 'geglu');
  tape.emit('geglu', [gateUp, h], [T, F, gateUp.ld]);
  tape.node(h, [gateUp], () => {
    const again = tape.isAwaited(h), dh = again ? tape.gradInPlace(h) : tape.gradArrived(h), d = tape.gradOver(gateUp);
    tape.emit('gegluBackward', [gateUp, dh, d.tensor, again ? dh : null], [T, F, gateUp.ld, d.tensor.ld, d.accumulate]);
    if (again) tape.restored(h, dh);
  });
  tape.fleeting(h);
  return h;
}

const sigmaOf = (z: number): number => 1 / (1 + Math.exp(-slope * (z + cubic * z ** 3)));

export const gegluOp: Op = {
  name: 'geglu',
  kernels: [
    {
      name: 'geglu', // t = gateUp, h; a = T, F, ld
      reference: ([gu, h], [T, F, ld]) => {
        for (let t = 0; t < T; t++) for (let f = 0; f < F; f++) {
          const gate = gu[t * ld + f];
          h[t * F + f] = gate * sigmaOf(gate) * gu[t * ld + F + f];
        }
      },
    },
    {
      name: 'gegluBackward', // t = gateUp, dh, dgateUp (may be gateUp), h? (may be dh); a = T, F, ld, ldd, accumulate
      reference: ([gu, dh, dgu, h], [T, F, ld, ldd, accumulate]) => {
        for (let t = 0; t < T; t++) for (let f = 0; f < F; f++) {
          const gate = gu[t * ld + f], up = gu[t * ld + F + f], d = dh[t * F + f], sigma = sigmaOf(gate);
          const gi = t * ldd + f, ui = gi + F;
          dgu[gi] = d * up * sigma * (1 + gate * (1 - sigma) * slope * (1 + 3 * cubic * gate ** 2)) + (accumulate ? dgu[gi] : 0);
          dgu[ui] = d * gate * sigma + (accumulate ? dgu[ui] : 0);
          if (h) h[t * F + f] = gate * sigma * up;
        }
      },
    },
  ],
  samples: ([[1, 1], [3, 17], [65, 48]] as const).map(([T, F]) => ({
    label: `T=${T} F=${F}`, inputs: { gateUp: [T, 2 * F] }, record: (tape, { gateUp }) => geglu(tape, gateUp),
  })),
};
