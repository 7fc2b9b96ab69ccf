// Loss from hidden states, forward and backward in one go, rows in chunks: the logits of a whole batch never exist.
//   z = h wᵀ / temperature, restricted to the row's support if one is given (top-k/top-p sampling renormalises over it)
//   logp = z[target] − log Σ exp z      (max first; Σ in 16 virtual lanes, vocabulary entry j in lane j mod 16)
//   nll:    loss = −coef · logp,                              g = coef
//   policy: ρ = exp(logp − old), loss = −min(ρ A, clip(ρ, 1−ε_lo, 1+ε_hi) A), A = coef;  g = A ρ where unclipped, else 0
//           (PPO, Schulman 2017; token-level GRPO, DAPO eq. 8). On policy ρ is exactly 1.
//   with a reference policy (DeepSeekMath eq. 4, Schulman's k3): d = ref − logp, loss += β' (exp d − 1 − d), g += β' (exp d − 1)
//   dz = g · (softmax(z) − onehot(target)) / temperature, dh = dz w, dw (+)= dzᵀ h.
// The coefficients and β' carry the normaliser (1/tokens), so no gradient seed is needed.
// R rows, C channels, V vocabulary.

import type { Tape } from '../tape.ts';
import { type Tensor, expectShape } from '../tensor.ts';
import { type CompressedWeight, typeNumber, valuesOf } from './linear-compressed.ts';
import type { KernelCase, Op } from './op.ts';

/** Which tokens were kept when row r was sampled: ids[starts[r] … starts[r+1]); an empty list means all. */
export interface Support { readonly starts: Tensor; readonly ids: Tensor }

export interface CrossEntropyOptions {
  readonly temperature?: number;
  readonly support?: Support | undefined;
  /** Log-probabilities at sampling time, (R); their presence selects the policy loss. */
  readonly oldLogp?: Tensor | undefined;
  readonly clip?: { readonly low: number; readonly high: number };
  /** Log-probabilities by a reference policy, (R), and the weight of the divergence from it. */
  readonly reference?: { readonly logp: Tensor; readonly weight: number } | undefined;
}

export interface CrossEntropyResult { readonly logp: Tensor; readonly entropy: Tensor; readonly loss: Tensor }

/**
 * Rows whose logits exist at the same time: at most 256, or 32 MB of a large vocabulary, in chunks of equal length. Each
 * chunk reads the whole head twice and adds to its whole gradient, so chunks should be few.
 */
function chunkRows(R: number, V: number): number {
  const most = Math.max(1, Math.min(R, 256, Math.max(16, Math.floor(2 ** 23 / V))));
  return Math.max(1, Math.ceil(R / Math.max(1, Math.ceil(R / most))));
}

/** h (R, C), w (V, C), in few bits if it does not train, targets (R) i32, coef (R) → per-row logp, entropy and loss, all (R). Gradients are ready afterwards. */
export function crossEntropy(tape: Tape, h: Tensor, w: Tensor | CompressedWeight, targets: Tensor, coef: Tensor, options: CrossEntropyOptions = {}): CrossEntropyResult {
  const [R, C] = h.shape as [number, number];
  const V = w.shape[0], kept = 'panels' in w ? w : null, wide = kept ? null : w as Tensor;
  expectShape('crossEntropy', 'weight', w.shape, [V, C]);
  expectShape('crossEntropy', 'targets', targets.shape, [R]);
  expectShape('crossEntropy', 'coefficients', coef.shape, [R]);
  const { temperature = 1, support, oldLogp, clip = { low: 0.2, high: 0.28 }, reference } = options;
  const [logp, entropy, loss] = ['logp', 'entropy', 'loss'].map((label) => tape.temp([R], 'f32', label)) as [Tensor, Tensor, Tensor];
  const chunk = chunkRows(R, V);
  const dh = tape.training && tape.needsGrad(h) ? tape.gradOf(h) : null;
  const dw = tape.training && wide && tape.needsGrad(wide) ? tape.gradOf(wide) : null;
  tape.emit('crossEntropy', [h, kept?.panels ?? wide, targets, coef, oldLogp, support?.starts, support?.ids, logp, entropy, loss, dh?.tensor, dw?.tensor, reference?.logp, tape.temp([chunk, V], 'f32', 'logits chunk')],
    [R, C, V, chunk, temperature, oldLogp ? 1 : 0, clip.low, clip.high, h.ld, dh?.tensor.ld ?? 0, dh?.accumulate ?? 0, dh ? 1 : 0, dw ? 1 : 0, reference?.weight ?? 0, kept ? 1 + typeNumber(kept.type) : 0, dw?.accumulate ?? 0]);
  return { logp, entropy, loss };
}

export const crossEntropyOp: Op = {
  name: 'crossEntropy',
  kernels: [
    {
      // t = h, w, targets, coef, oldLogp?, support starts?, support ids?, logp, entropy, loss, dh?, dw?, reference logp?, logits chunk
      // a = R, C, V, chunk, temperature, policy, clip low, clip high, ldh, lddh, accumulate dh, has dh, has dw, divergence weight, type of w: 0 f32, else 1 + its number (linear-compressed.ts), accumulate dw
      name: 'crossEntropy',
      flops: ([R, C, V, , , , , , , , , hasDh, hasDw]) => ({ model: 2 * R * C * V * (1 + hasDh + hasDw) }),
      reference: ([h, weight, targets, coef, old, starts, ids, logp, entropy, loss, dh, dw, frozen], [R, C, V, , temperature, policy, low, high, ldh, lddh, accumulate, , , beta, few, accumulateWeight]) => {
        const w = few ? valuesOf(few - 1, weight, V, C) : weight;
        if (dw && !accumulateWeight) dw.fill(0, 0, V * C);
        const z = new Float32Array(V), p = new Float64Array(V);
        for (let r = 0; r < R; r++) {
          const kept = starts && starts[r + 1] > starts[r] ? new Set(ids.subarray(starts[r], starts[r + 1])) : null;
          let max = -Infinity;
          for (let j = 0; j < V; j++) {
            let sum = 0;
            for (let c = 0; c < C; c++) sum += h[r * ldh + c] * w[j * C + c];
            z[j] = kept && !kept.has(j) ? -Infinity : sum / temperature;
            if (z[j] > max) max = z[j];
          }
          let total = 0, mean = 0;
          for (let j = 0; j < V; j++) { p[j] = Math.exp(z[j] - max); total += p[j]; }
          for (let j = 0; j < V; j++) { p[j] /= total; if (p[j] > 0) mean += p[j] * z[j]; }
          const lse = max + Math.log(total);
          logp[r] = z[targets[r]] - lse;
          entropy[r] = lse - mean;
          let g = coef[r];
          if (policy) {
            const ratio = Math.exp(logp[r] - old[r]);
            const clipped = Math.min(Math.max(ratio, 1 - low), 1 + high);
            loss[r] = -Math.min(ratio * g, clipped * g);
            g = ratio * g <= clipped * g ? g * ratio : 0;
          } else loss[r] = -g * logp[r];
          if (frozen) {
            const d = frozen[r] - logp[r], rise = Math.expm1(d);
            loss[r] += beta * (rise - d);
            g += beta * rise;
          }
          if (dh && !accumulate) dh.fill(0, r * lddh, r * lddh + C);
          for (let j = 0; j < V; j++) {
            const dz = (g * (p[j] - (j === targets[r] ? 1 : 0))) / temperature;
            if (dz === 0) continue;
            if (dh) for (let c = 0; c < C; c++) dh[r * lddh + c] += dz * w[j * C + c];
            if (dw) for (let c = 0; c < C; c++) dw[j * C + c] += dz * h[r * ldh + c];
          }
        }
      },
    },
    {
      name: 'sum', // t = x, out (1); a = n. In order, in double precision.
      reference: ([x, out], [n]) => { let s = 0; for (let i = 0; i < n; i++) s += x[i]; out[0] = s; },
    },
  ],
  samples: [], // its gradients are not those of an output: cross-entropy.test.ts checks them numerically
  cases: ([[1, 1, 1, 0, 1], [1, 3, 2, 0, 1], [17, 5, 65, 1, 0.5], [7, 19, 33, 0, 0.7], [40, 32, 100, 1, 1], [300, 24, 37, 1, 1.3]] as const).flatMap(([R, C, V, policy, temperature]) => [false, true].map((cut): KernelCase => {
    const chunk = chunkRows(R, V);
    const starts = Int32Array.from({ length: R + 1 }, (_, r) => Math.ceil(r / 2) * 2); // every other row is cut to its target and one more
    const targets = Int32Array.from({ length: R }, (_, r) => (r * 5) % V);
    const ids = Int32Array.from({ length: R + 2 }, (_, i) => ((Math.floor(i / 2) * 10) % V + (i % 2)) % V);
    return {
      label: `R=${R} C=${C} V=${V}${policy ? ' policy' : ''}${cut ? ' support' : ''} temperature=${temperature}`, kernel: 'crossEntropy', tolerance: 1e-4,
      tensors: [R * C, V * C, targets, R, policy ? new Float32Array(R).fill(-1.5) : null, cut ? starts : null, cut ? ids : null, R, R, R, R * C, V * C, policy && R > 10 ? new Float32Array(R).fill(-2.5) : null, null]
        .map((t, i) => (i === 13 ? chunk * V : t)) as KernelCase['tensors'],
      attributes: [R, C, V, chunk, temperature, policy, 0.2, 0.28, C, C, 0, 1, 1, 0.3, 0, cut ? 1 : 0],
    };
  })),
};
