// The commands optimisers are made of. Which weights get which update is decided in engine/optimizers.ts.
// clip: norm over all gradients by fixed blocks of 4096 values (16 virtual lanes inside, blocks in order, double precision),
//   factor = min(1, max / (norm + 1e-6)).
// AdamW (Loshchilov & Hutter 2019): m = β₁m + (1−β₁)g, v = β₂v + (1−β₂)g², w −= lr·wd·w + lr·(m·c₁)/(√(v·c₂) + ε),
//   c₁ = 1/(1−β₁ᵗ), c₂ = 1/(1−β₂ᵗ), g times the clip factor.
// Muon (Jordan 2024): m = μm + (1−μ)g, u = (1−μ)g + μm (Nesterov); u is orthogonalised by matmuls; w −= lr·wd·w + lr·s·o.

import type { KernelCase, Op } from './op.ts';

export const optimizersOp: Op = {
  name: 'optimizers',
  kernels: [
    {
      name: 'squaredNorm', // t = x, out (1); a = n
      reference: ([x, out], [n]) => { let s = 0; for (let i = 0; i < n; i++) s += x[i] ** 2; out[0] = s; },
    },
    {
      name: 'clipFactor', // t = squared norm (1), out (2): factor, norm; a = max norm (0: no clipping)
      reference: ([squared, out], [max]) => {
        const norm = Math.sqrt(squared[0]);
        out[0] = max > 0 ? Math.min(1, max / (norm + 1e-6)) : 1;
        out[1] = norm;
      },
    },
    {
      name: 'adamW', // t = w, g, m, v, factor; a = n, lr, β₁, β₂, ε, weight decay, c₁, c₂
      reference: ([w, g, m, v, factor], [n, lr, beta1, beta2, eps, decay, c1, c2]) => {
        for (let i = 0; i < n; i++) {
          const gi = g[i] * factor[0];
          m[i] = beta1 * m[i] + (1 - beta1) * gi;
          v[i] = beta2 * v[i] + (1 - beta2) * gi * gi;
          w[i] = w[i] - lr * decay * w[i] - (lr * m[i] * c1) / (Math.sqrt(v[i] * c2) + eps);
        }
      },
    },
    {
      name: 'muonMomentum', // t = g, m, u, factor; a = n, μ
      reference: ([g, m, u, factor], [n, mu]) => {
        for (let i = 0; i < n; i++) {
          const gi = g[i] * factor[0];
          m[i] = mu * m[i] + (1 - mu) * gi;
          u[i] = (1 - mu) * gi + mu * m[i];
        }
      },
    },
    {
      name: 'normalise', // t = x (in place), squared norm (1); a = n, ε: x / (√norm² + ε)
      reference: ([x, squared], [n, eps]) => { const r = 1 / (Math.sqrt(squared[0]) + eps); for (let i = 0; i < n; i++) x[i] *= r; },
    },
    {
      name: 'decayedStep', // t = w, o; a = n, lr · scale, lr · weight decay: w −= b·w + a·o
      reference: ([w, o], [n, step, decay]) => { for (let i = 0; i < n; i++) w[i] = w[i] - decay * w[i] - step * o[i]; },
    },
    {
      name: 'matmul', // t = A, B, C; a = M, N, K, lda, ldb, ldc, transA, transB, accumulate, α: C (+)= α op(A) op(B)
      flops: ([M, N, K]) => ({ model: 2 * M * N * K }),
      reference: ([A, B, C], [M, N, K, lda, ldb, ldc, transA, transB, accumulate, alpha]) => {
        for (let i = 0; i < M; i++) for (let j = 0; j < N; j++) {
          let sum = 0;
          for (let k = 0; k < K; k++) sum += (transA ? A[k * lda + i] : A[i * lda + k]) * (transB ? B[j * ldb + k] : B[k * ldb + j]);
          C[i * ldc + j] = alpha * sum + (accumulate ? C[i * ldc + j] : 0);
        }
      },
    },
    {
      name: 'moeCount', // t = offsets i32 (E + 1), counts (E) f32 (+=); a = E
      reference: ([offsets, counts], [E]) => { for (let e = 0; e < E; e++) counts[e] += offsets[e + 1] - offsets[e]; },
    },
    {
      name: 'moeBiasUpdate', // t = counts (E; reset to 0), bias (E); a = E, γ: b_i += γ sign(mean − c_i) (Wang et al. 2024)
      reference: ([counts, bias], [E, gamma]) => {
        let total = 0; // compared with E·c_i, in whole numbers: a mean would be rounded
        for (let e = 0; e < E; e++) total += counts[e];
        for (let e = 0; e < E; e++) { bias[e] += gamma * Math.sign(total - E * counts[e]); counts[e] = 0; }
      },
    },
  ],
  samples: [],
  cases: [
    ...[1, 17, 5000, 9001].flatMap((n): KernelCase[] => [
      { label: `n=${n}`, kernel: 'squaredNorm', tensors: [n, 1], attributes: [n] },
      { label: `n=${n}`, kernel: 'clipFactor', tensors: [{ positive: 1 }, 2], attributes: [0.1] },
      { label: `n=${n}`, kernel: 'adamW', tensors: [n, n, n, { positive: n }, new Float32Array([0.7, 1])], attributes: [n, 1e-2, 0.9, 0.95, 1e-8, 0.1, 1.5, 2.5] },
      { label: `n=${n}`, kernel: 'muonMomentum', tensors: [n, n, n, new Float32Array([0.7, 1])], attributes: [n, 0.95] },
      { label: `n=${n}`, kernel: 'normalise', tensors: [n, { positive: 1 }], attributes: [n, 1e-7] },
      { label: `n=${n}`, kernel: 'decayedStep', tensors: [n, n], attributes: [n, 0.01, 0.002] },
      { label: `n=${n}`, kernel: 'sum', tensors: [n, 1], attributes: [n] },
    ]),
    ...[0, 1].flatMap((transA) => [0, 1].flatMap((transB) => [[1, 1, 1], [5, 9, 7], [33, 48, 65], [17, 1, 130]].map(([M = 0, N = 0, K = 0]): KernelCase => ({
      label: `${M}×${N}×${K} trans ${transA}${transB}`, kernel: 'matmul', tensors: [M * K, K * N, M * N],
      attributes: [M, N, K, transA ? M : K, transB ? K : N, N, transA, transB, 0, 0.5],
    })))),
    { label: 'E=3', kernel: 'moeCount', tensors: [new Int32Array([0, 4, 4, 9]), 3], attributes: [3] },
    { label: 'E=1', kernel: 'moeCount', tensors: [new Int32Array([0, 7]), 1], attributes: [1] },
    { label: 'E=19', kernel: 'moeBiasUpdate', tensors: [Float32Array.from({ length: 19 }, (_, i) => (i * 5) % 7), 19], attributes: [19, 0.001] },
    { label: 'E=4', kernel: 'moeBiasUpdate', tensors: [new Float32Array([6, 4, 2, 4]), 4], attributes: [4, 0.001] },
  ],
};
