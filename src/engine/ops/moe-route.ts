// The router of DeepSeekMoE (DeepSeek-V3 §2.1.2, eq. 12–16), from gate logits (T, E):
//   s = σ(logits) or softmax;  choice = s + bias (the bias selects, it never weighs and gets no gradient);
//   group score = sum of the two best choices in each of G groups, or the best one (DeepSeek-V2 §2.2.2); the best `topkGroup` groups stay, the others become
//   −inf (or 0, as transformers does: parity only);  idx = the K best, ties to the lower index;
//   w = s[idx], divided by Σw + 1e-20 if `normalise`, times `scale`.
// Sequence-wise balance loss (eq. 17–20): L = α Σ_i f_i P_i for each document, f_i = E/(K n) · #{t: i ∈ topK(s_t)} (no
// gradient), P_i = mean_t s'_ti, s' = s / Σ s. Summed over documents with the given coefficient each.

import type { Tape } from '../tape.ts';
import type { Tensor } from '../tensor.ts';
import type { Documents } from './attention.ts';
import type { KernelCase, Op } from './op.ts';
import type { View } from '../kernel.ts';

export interface RouteOptions {
  readonly topk: number;
  readonly groups: number;
  readonly topkGroup: number;
  /** How many of a group's choices count for it; 2 by default. */
  readonly bestOfGroup?: 1 | 2;
  readonly normalise: boolean;
  readonly scale: number;
  readonly score: 'sigmoid' | 'softmax';
  readonly maskedScore: 'neg_inf' | 'zero';
  readonly balance?: { readonly documents: Documents; readonly coefficient: number } | undefined;
}

export interface Routing {
  /** (T, K) i32 */
  readonly experts: Tensor;
  /** (T, K) */
  readonly weights: Tensor;
  /** (documents), the balance loss of each; null without balance. */
  readonly balanceLoss: Tensor | null;
}

/** logits (T, E), bias (E) or null. */
export function moeRoute(tape: Tape, logits: Tensor, bias: Tensor | null, options: RouteOptions): Routing {
  const [T, E] = logits.shape as [number, number];
  const { topk: K, groups, topkGroup, bestOfGroup = 2, normalise, scale, score, maskedScore, balance } = options;
  const experts = tape.temp([T, K], 'i32', 'experts');
  const weights = tape.temp([T, K], 'f32', 'expert weights');
  const scores = tape.temp([T, E], 'f32', 'scores');
  const softmax = score === 'softmax' ? 1 : 0;
  tape.emit('moeRoute', [logits, bias, experts, weights, scores], [T, E, K, groups, topkGroup, normalise ? 1 : 0, scale, maskedScore === 'zero' ? 1 : 0, softmax, bestOfGroup]);

  let balanceLoss: Tensor | null = null, dscores: Tensor | null = null;
  if (balance && tape.training) {
    const n = balance.documents.lengths.length;
    balanceLoss = tape.temp([n], 'f32', 'balance loss');
    dscores = tape.temp([T, E], 'f32', 'd scores');
    tape.emit('moeBalance', [scores, balance.documents.starts, balanceLoss, dscores], [n, E, K, balance.coefficient]);
  }
  tape.node(weights, [logits], () => {
    const dlogits = tape.gradOf(logits);
    tape.emit('moeRouteBackward', [tape.gradArrived(weights), experts, scores, dscores, dlogits.tensor], [T, E, K, normalise ? 1 : 0, scale, softmax, dlogits.accumulate]);
  });
  return { experts, weights, balanceLoss };
}

/** Indices of the n largest of values[0 … length), ties to the lower index, largest first. */
function best(values: ArrayLike<number>, length: number, n: number): number[] {
  const order = Array.from({ length }, (_, i) => i).sort((i, j) => values[j] - values[i] || i - j);
  return order.slice(0, n);
}

function scoresOf(logits: View, at: number, E: number, softmax: boolean): number[] {
  const row = Array.from(logits.subarray(at, at + E));
  if (!softmax) return row.map((x) => Math.fround(1 / (1 + Math.exp(-x))));
  const max = Math.max(...row);
  const exps = row.map((x) => Math.exp(x - max));
  const total = exps.reduce((a, b) => a + b, 0);
  return exps.map((x) => Math.fround(x / total));
}

export const moeRouteOp: Op = {
  name: 'moeRoute',
  kernels: [
    {
      name: 'moeRoute', // t = logits, bias?, experts, weights, scores; a = T, E, K, groups, topkGroup, normalise, scale, mask with zero, softmax, best of group
      reference: ([logits, bias, experts, weights, scores], [T, E, K, groups, topkGroup, normalise, scale, maskZero, softmax, bestOfGroup]) => {
        const size = E / groups;
        for (let t = 0; t < T; t++) {
          const s = scoresOf(logits, t * E, E, softmax === 1);
          scores.set(s, t * E);
          const choice = s.map((x, i) => (bias ? Math.fround(x + bias[i]) : x));
          if (groups > 1) {
            const groupScore = Array.from({ length: groups }, (_, g) => {
              const inGroup = choice.slice(g * size, (g + 1) * size);
              return best(inGroup, size, bestOfGroup).reduce((sum, i) => Math.fround(sum + inGroup[i]), 0);
            });
            const kept = new Set(best(groupScore, groups, topkGroup));
            for (let i = 0; i < E; i++) if (!kept.has(Math.floor(i / size))) choice[i] = maskZero ? 0 : -Infinity;
          }
          const chosen = best(choice, E, K);
          let total = 0;
          for (const i of chosen) total += s[i];
          chosen.forEach((i, k) => {
            experts[t * K + k] = i;
            weights[t * K + k] = (normalise ? s[i] / (total + 1e-20) : s[i]) * scale;
          });
        }
      },
    },
    {
      name: 'moeBalance', // t = scores, starts, loss (n), dscores (overwritten); a = n, E, K, coefficient
      reference: ([scores, starts, loss, dscores], [n, E, K, coefficient]) => {
        for (let d = 0; d < n; d++) {
          const from = starts[d], to = starts[d + 1], length = to - from;
          const f = new Float64Array(E), P = new Float64Array(E), totals: number[] = [];
          for (let t = from; t < to; t++) {
            const row = scores.subarray(t * E, (t + 1) * E);
            for (const i of best(row, E, K)) f[i] += E / (K * length);
            const total = row.reduce((a, b) => a + b, 0);
            totals.push(total);
            for (let i = 0; i < E; i++) P[i] += row[i] / total / length;
          }
          let sum = 0;
          for (let i = 0; i < E; i++) sum += f[i] * P[i];
          loss[d] = coefficient * sum;
          for (let t = from; t < to; t++) {
            const total = totals[t - from];
            let dot = 0;
            for (let i = 0; i < E; i++) dot += f[i] * scores[t * E + i];
            for (let i = 0; i < E; i++) dscores[t * E + i] = (coefficient / length) * (f[i] / total - dot / (total * total));
          }
        }
      },
    },
    {
      name: 'moeRouteBackward', // t = dweights, experts, scores, dscores?, dlogits; a = T, E, K, normalise, scale, softmax, accumulate
      reference: ([dweights, experts, scores, extra, dlogits], [T, E, K, normalise, scale, softmax, accumulate]) => {
        for (let t = 0; t < T; t++) {
          const s = scores.subarray(t * E, (t + 1) * E), idx = experts.subarray(t * K, (t + 1) * K), dw = dweights.subarray(t * K, (t + 1) * K);
          const ds = new Float64Array(E);
          if (extra) for (let i = 0; i < E; i++) ds[i] = extra[t * E + i];
          let total = 1e-20, dot = 0;
          for (let k = 0; k < K; k++) { total += s[idx[k]]; dot += dw[k] * s[idx[k]]; }
          for (let k = 0; k < K; k++) ds[idx[k]] += normalise ? scale * (dw[k] / total - dot / (total * total)) : scale * dw[k];
          let weighted = 0;
          for (let i = 0; i < E; i++) weighted += ds[i] * s[i];
          for (let i = 0; i < E; i++) {
            const d = softmax ? s[i] * (ds[i] - weighted) : ds[i] * s[i] * (1 - s[i]);
            dlogits[t * E + i] = d + (accumulate ? dlogits[t * E + i] : 0);
          }
        }
      },
    },
  ],
  samples: ([
    [5, 8, 2, 1, 1, true, 'sigmoid'], [33, 16, 4, 4, 2, true, 'sigmoid'], [3, 4, 1, 1, 1, false, 'softmax'], [1, 6, 3, 2, 1, false, 'sigmoid'],
    [1, 1, 1, 1, 1, true, 'sigmoid'], [7, 7, 7, 1, 1, true, 'softmax'], [19, 9, 2, 3, 2, true, 'sigmoid'], [21, 12, 3, 4, 2, false, 'softmax', 1],
  ] as const).map(([T, E, topk, groups, topkGroup, normalise, score, bestOfGroup = 2 as const]) => ({
    label: `T=${T} E=${E} K=${topk} groups ${topkGroup}/${groups} by ${bestOfGroup} ${score}${normalise ? ' normalised' : ''}`,
    inputs: { logits: [T, E], bias: [E] }, constant: ['bias'], scale: 1.5,
    record: (tape: Tape, { logits, bias }: Readonly<Record<string, Tensor>>) =>
      moeRoute(tape, logits, bias, { topk, groups, topkGroup, bestOfGroup, normalise, scale: 2.5, score, maskedScore: 'neg_inf' }).weights,
  })),
  // Documents of one token, of none, and more tokens than a vector; scores as a sigmoid gives them.
  cases: ([[1, 1, 1, [0, 1]], [3, 5, 2, [0, 1, 1, 9]], [2, 17, 17, [0, 3, 40]]] as const).map(([n, E, K, starts]): KernelCase => {
    const T = starts[n]!, scores = Float32Array.from({ length: T * E }, (_, i) => ((i * 37) % 101 + 1) / 103);
    return { label: `${n} documents to ${T} E=${E} K=${K}`, kernel: 'moeBalance', tensors: [scores, Int32Array.from(starts), n, T * E], attributes: [n, E, K, 0.01] };
  }),
};
