// Causal attention over packed documents, flash style (Dao et al. 2022): no T×T matrix in memory.
//   s_j = scale · q·k_j for the keys j of the same document with j ≤ i and i − j < window;  out = Σ softmax(s)_j v_j.
// Exactness: keys are walked in blocks of 64 at fixed positions of the document. Per block: s by one FMA chain over the
// D channels (from 0), times scale; m' = max(m, max s); α = exp(m − m'); p = exp(s − m'), 0 where masked;
// l = l·α + Σp (16 virtual lanes, key j in lane j mod 16, blocks of 16 added in order, one fixed tree);
// o = o·α, then one FMA chain over the 64 keys in order. At the end out = o / l, lse = m + log l.
// attention-cached.ts does the same arithmetic over a paged cache, so decoding gives the same bits.
// Backward recomputes p = exp(s − lse):  δ = Σ_c dout·out;  dv_j += p dout;  ds = p (dout·v_j − δ);
//   dq += scale · ds k_j;  dk_j += scale · ds q.  One task owns a (document, kv head), so nothing is merged across tasks.
// Hq query heads share Hkv key heads in order (head h uses h·Hkv/Hq). D key channels, Dv value channels a head.

import { invariant } from '../../errors.ts';
import type { Tape } from '../tape.ts';
import type { Tensor } from '../tensor.ts';
import type { Op } from './op.ts';

export const keyBlock = 64;

/** Heads inside a matrix: head h of row t begins at row start + `start` + h · `stride`. */
export interface Heads { readonly tensor: Tensor; readonly start?: number; readonly stride: number }

/** Documents packed one after another: starts (n + 1) i32 on the device, rows where they begin, then T; lengths on the host. */
export interface Documents { readonly starts: Tensor; readonly lengths: readonly number[] }

/** Packs documents of these lengths. */
export function documents(tape: Tape, lengths: readonly number[]): Documents {
  const starts = new Int32Array(lengths.length + 1);
  lengths.forEach((length, i) => { starts[i + 1] = starts[i] + length; });
  return { starts: tape.input(starts, [starts.length], 'documents'), lengths };
}

/** (query, key) pairs that causal attention computes. */
export function countPairs(lengths: readonly number[], window: number): number {
  let pairs = 0;
  for (const n of lengths) {
    const w = window > 0 ? Math.min(window, n) : n;
    pairs += (w * (w + 1)) / 2 + (n - w) * w;
  }
  return pairs;
}

export interface AttentionShape {
  readonly queryHeads: number;
  readonly keyHeads: number;
  /** Channels of a query or key head. */
  readonly D: number;
  /** Channels of a value head. */
  readonly Dv: number;
  readonly scale: number;
  /** Only the last `window` positions are seen, the own one included; 0 means all. */
  readonly window?: number;
}

/** Row stride, head stride and a view that begins at the first head. */
export const headView = ({ tensor, start = 0 }: Heads): Tensor => ({ ...tensor, offset: tensor.offset + start });

/**
 * q (T, Hq·D), k (T, Hkv·D), v (T, Hkv·Dv) as heads inside matrices; documents cover the T rows without gaps.
 * Returns (T, Hq·Dv). Each of q, k, v must have this op as its only reader.
 */
export function attention(tape: Tape, q: Heads, k: Heads, v: Heads, docs: Documents, shape: AttentionShape): Tensor {
  const T = q.tensor.shape[0];
  const { queryHeads: Hq, keyHeads: Hkv, D, Dv, scale, window = 0 } = shape;
  invariant(Hq % Hkv === 0, `attention: ${Hq} query heads cannot share ${Hkv} key heads`);
  const out = tape.temp([T, Hq * Dv], 'f32', 'attention');
  const lse = tape.temp([T, Hq], 'f32', 'lse');
  const attributes = [docs.lengths.length, Hq, Hkv, D, Dv, scale, window, q.tensor.ld, q.stride, k.tensor.ld, k.stride, v.tensor.ld, v.stride, out.ld, T, countPairs(docs.lengths, window)];
  const inputs = [headView(q), headView(k), headView(v), out, lse, docs.starts];
  tape.emit('attention', inputs, attributes);
  tape.node(out, [q.tensor, k.tensor, v.tensor], () => {
    const gradients = [q, k, v].map((heads) => headView({ ...heads, tensor: tape.gradOf(heads.tensor).tensor }));
    tape.emit('attentionBackward', [...inputs, tape.gradArrived(out), ...gradients, tape.temp([T, Hq], 'f32', 'delta')], attributes);
  });
  return out;
}

type A = readonly number[];

/** Attribute 15 holds the unmasked (query, key) pairs of one head. */
const pairsFlops = (perPair: (D: number, Dv: number) => number) => (a: A): number => a[15] * a[1] * perPair(a[3], a[4]);

export const attentionOp: Op = {
  name: 'attention',
  kernels: [
    {
      // t = q, k, v, out, lse, docs; a = documents, Hq, Hkv, D, Dv, scale, window, ldq, hsq, ldk, hsk, ldv, hsv, ldo, T, pairs
      name: 'attention',
      flops: (a) => ({ model: pairsFlops((D, Dv) => 2 * D + 2 * Dv)(a) }),
      reference: ([q, k, v, out, lse, docs], [n, Hq, Hkv, D, Dv, scale, window, ldq, hsq, ldk, hsk, ldv, hsv, ldo]) => {
        for (let d = 0; d < n; d++) for (let i = docs[d]; i < docs[d + 1]; i++) for (let h = 0; h < Hq; h++) {
          const g = Math.floor((h * Hkv) / Hq);
          const first = window ? Math.max(docs[d], i - window + 1) : docs[d];
          const scores: number[] = [];
          for (let j = first; j <= i; j++) {
            let s = 0;
            for (let c = 0; c < D; c++) s += q[i * ldq + h * hsq + c] * k[j * ldk + g * hsk + c];
            scores.push(s * scale);
          }
          const max = Math.max(...scores);
          let sum = 0;
          const o = new Float64Array(Dv);
          scores.forEach((s, at) => {
            const p = Math.exp(s - max);
            sum += p;
            for (let c = 0; c < Dv; c++) o[c] += p * v[(first + at) * ldv + g * hsv + c];
          });
          for (let c = 0; c < Dv; c++) out[i * ldo + h * Dv + c] = o[c] / sum;
          lse[i * Hq + h] = max + Math.log(sum);
        }
      },
    },
    {
      // t = q, k, v, out, lse, docs, dout, dq, dk, dv (all three overwritten, strides of q, k, v), delta; a as above
      name: 'attentionBackward',
      flops: (a) => ({ model: pairsFlops((D, Dv) => 4 * D + 4 * Dv)(a), recompute: pairsFlops((D) => 2 * D)(a) }),
      reference: ([q, k, v, out, lse, docs, dout, dq, dk, dv, delta], [n, Hq, Hkv, D, Dv, scale, window, ldq, hsq, ldk, hsk, ldv, hsv, ldo]) => {
        for (let i = docs[0]; i < docs[n]; i++) {
          for (let h = 0; h < Hq; h++) dq.fill(0, i * ldq + h * hsq, i * ldq + h * hsq + D);
          for (let g = 0; g < Hkv; g++) {
            dk.fill(0, i * ldk + g * hsk, i * ldk + g * hsk + D);
            dv.fill(0, i * ldv + g * hsv, i * ldv + g * hsv + Dv);
          }
        }
        for (let d = 0; d < n; d++) for (let h = 0; h < Hq; h++) {
          const g = Math.floor((h * Hkv) / Hq);
          for (let i = docs[d]; i < docs[d + 1]; i++) {
            const oi = i * ldo + h * Dv, qi = i * ldq + h * hsq;
            let rowDelta = 0;
            for (let c = 0; c < Dv; c++) rowDelta += dout[oi + c] * out[oi + c];
            delta[i * Hq + h] = rowDelta;
            for (let j = window ? Math.max(docs[d], i - window + 1) : docs[d]; j <= i; j++) {
              const kj = j * ldk + g * hsk, vj = j * ldv + g * hsv;
              let s = 0, dp = 0;
              for (let c = 0; c < D; c++) s += q[qi + c] * k[kj + c];
              for (let c = 0; c < Dv; c++) dp += dout[oi + c] * v[vj + c];
              const p = Math.exp(s * scale - lse[i * Hq + h]);
              const ds = p * (dp - rowDelta) * scale;
              for (let c = 0; c < Dv; c++) dv[vj + c] += p * dout[oi + c];
              for (let c = 0; c < D; c++) { dq[qi + c] += ds * k[kj + c]; dk[kj + c] += ds * q[qi + c]; }
            }
          }
        }
      },
    },
  ],
  samples: ([
    [[1], 1, 1, 4, 4, 0], [[5, 1, 9], 4, 2, 8, 8, 0], [[70, 3], 3, 1, 16, 12, 0], [[130], 2, 2, 20, 32, 0], [[100, 33], 2, 1, 8, 8, 17], [[66], 1, 1, 32, 32, 64],
    [[1, 1, 1], 1, 1, 1, 1, 0], [[67], 3, 3, 5, 7, 0], [[3, 0, 65, 0], 2, 1, 9, 3, 4], [[129], 5, 5, 17, 19, 0],
  ] as const).map(([lengths, Hq, Hkv, D, Dv, window]) => {
    const T = lengths.reduce((a: number, b) => a + b, 0);
    return {
      label: `documents ${lengths} heads ${Hq}/${Hkv} D=${D} Dv=${Dv} window=${window}`,
      inputs: { q: [T, Hq * D], kv: [T, Hkv * (D + Dv)] },
      record: (tape: Tape, { q, kv }: Readonly<Record<string, Tensor>>) => {
        const shape = { queryHeads: Hq, keyHeads: Hkv, D, Dv, scale: D ** -0.5, window };
        return attention(tape, { tensor: q, stride: D }, { tensor: { ...kv, shape: [T, Hkv * D] }, stride: D },
          { tensor: { ...kv, shape: [T, Hkv * Dv], offset: Hkv * D }, stride: Dv }, documents(tape, lengths), shape);
      },
    };
  }),
};

