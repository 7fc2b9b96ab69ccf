// Multi-head latent attention (DeepSeek-V2 §2.1): the keys of head h are [k_c of the head ; k_r shared by all heads].
// kvb (T, H·(nope + v)) holds k_c and v of each head side by side, kr (T, rope) the shared rotated part.
// Backward: dk_c = the nope part of dk, dk_r = Σ_h of the rope parts, heads in order.

import { columns } from '../tensor.ts';
import type { Tape } from '../tape.ts';
import type { Tensor } from '../tensor.ts';
import type { Op } from './op.ts';

export interface MlaDims { readonly heads: number; readonly nope: number; readonly rope: number; readonly v: number }

/** → keys (T, H·(nope + rope)). The v columns of kvb get their gradient from attention, not from here. */
export function mlaKeys(tape: Tape, kvb: Tensor, kr: Tensor, { heads, nope, rope, v }: MlaDims): Tensor {
  const T = kvb.shape[0];
  const k = tape.temp([T, heads * (nope + rope)], 'f32', 'keys');
  const attributes = [T, heads, nope, v, rope];
  tape.emit('mlaKeys', [kvb, kr, k], [...attributes, kvb.ld, kr.ld]);
  tape.node(k, [kvb, kr], () => {
    const dkvb = tape.gradOf(kvb).tensor, dkr = tape.gradOf(kr);
    tape.emit('mlaKeysBackward', [tape.gradArrived(k), dkvb, dkr.tensor], [...attributes, dkvb.ld, dkr.tensor.ld, dkr.accumulate]);
  });
  return k;
}

export const mlaKeysOp: Op = {
  name: 'mlaKeys',
  kernels: [
    {
      name: 'mlaKeys', // t = kvb, kr, k; a = T, H, nope, v, rope, ldkvb, ldkr
      byRows: (command) => { const [, H, nope, , rope, ldkvb, ldkr] = command.attributes; return { rows: { command, strides: [ldkvb, ldkr, H * (nope + rope)], writes: [2] } }; },
      reference: ([kvb, kr, k], [T, H, nope, v, rope, ldkvb, ldkr]) => {
        const D = nope + rope;
        for (let t = 0; t < T; t++) for (let h = 0; h < H; h++) {
          const from = t * ldkvb + h * (nope + v), to = (t * H + h) * D;
          k.set(kvb.subarray(from, from + nope), to);
          k.set(kr.subarray(t * ldkr, t * ldkr + rope), to + nope);
        }
      },
    },
    {
      name: 'mlaKeysBackward', // t = dk, dkvb (nope parts overwritten), dkr; a = T, H, nope, v, rope, lddkvb, lddkr, accumulate dkr
      byRows: (command) => { const [, H, nope, , rope, lddkvb, lddkr] = command.attributes; return { rows: { command, strides: [H * (nope + rope), lddkvb, lddkr], writes: [1, 2] } }; },
      reference: ([dk, dkvb, dkr], [T, H, nope, v, rope, lddkvb, lddkr, accumulate]) => {
        const D = nope + rope;
        for (let t = 0; t < T; t++) {
          if (!accumulate) dkr.fill(0, t * lddkr, t * lddkr + rope);
          for (let h = 0; h < H; h++) {
            const from = (t * H + h) * D;
            dkvb.set(dk.subarray(from, from + nope), t * lddkvb + h * (nope + v));
            for (let c = 0; c < rope; c++) dkr[t * lddkr + c] += dk[from + nope + c];
          }
        }
      },
    },
  ],
  samples: ([[1, 1, 2, 2, 2], [7, 3, 5, 4, 6], [33, 2, 16, 16, 8]] as const).map(([T, heads, nope, rope, v]) => ({
    label: `T=${T} heads=${heads} nope=${nope} rope=${rope} v=${v}`,
    inputs: { kvb: [T, heads * (nope + v)], kva: [T, rope + 3] },
    record: (tape, { kvb, kva }) => mlaKeys(tape, kvb, columns(kva, 3, rope), { heads, nope, rope, v }),
  })),
};
