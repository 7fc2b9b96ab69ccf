// Linear: y = x wᵀ (+ bias), w in Hugging Face layout (N, K).
// Every element is one chain of fused multiply-adds over k = 0 … K−1, so it depends neither on the batch nor on tiling.
//   dx = dy w (chain over n), dw += dyᵀ x (chain over t), dbias += Σ_t dy.
// T rows, K inputs, N outputs; ld = row stride in elements.

import { invariant } from '../../errors.ts';
import type { Tape } from '../tape.ts';
import { type Tensor, columns, expectShape, plannedTensor } from '../tensor.ts';
import type { ByRows, Kernel } from '../kernel.ts';
import type { Command } from '../program.ts';
import type { Op } from './op.ts';

/** A weight copied into the layout that decoding reads best; same values, same results. */
export interface PackedWeight { readonly weight: Tensor; readonly packed: Tensor }

export interface LinearOptions {
  readonly bias?: Tensor | null;
  /** Adds to this tensor in place instead of making a new one (LoRA). */
  readonly into?: Tensor;
  readonly packed?: Tensor | undefined;
}

/** x (T, K), w (N, K), bias (N) → (T, N). */
export function linear(tape: Tape, x: Tensor, w: Tensor, { bias = null, into, packed }: LinearOptions = {}): Tensor {
  const [T, K] = x.shape as [number, number];
  const N = w.shape[0];
  expectShape('linear', 'weight', w.shape, [N, K]);
  const y = into ?? tape.temp([T, N], 'f32', 'linear');
  expectShape('linear', 'output', y.shape, [T, N]);
  if (packed) tape.emit('linearPacked', [x, packed, y, bias], [T, N, K, x.ld, y.ld, into ? 1 : 0]);
  else tape.emit('linear', [x, w, y, bias], [T, N, K, x.ld, y.ld, into ? 1 : 0]);
  tape.node(y, [x, w, bias, into], () => {
    const dy = tape.gradArrived(y);
    if (tape.needsGrad(x)) {
      const dx = tape.gradOf(x), narrow = K === panelColumns; // then w lies in memory as the packed copy of its transpose does
      tape.emit(narrow ? 'linearPacked' : 'linearBackwardInput', narrow ? [dy, w, dx.tensor, null] : [dy, w, dx.tensor], [T, narrow ? K : N, narrow ? N : K, dy.ld, dx.tensor.ld, dx.accumulate]);
    }
    if (tape.needsGrad(w)) {
      tape.withValue(x, dy, (x) => {
        const dw = tape.gradOf(w), dbias = bias && tape.needsGrad(bias) ? tape.gradOf(bias) : null;
        invariant(!dbias || dbias.accumulate === dw.accumulate, 'a weight and its bias are used together');
        tape.emit('linearBackwardWeight', [dy, x, dw.tensor, dbias?.tensor], [T, N, K, dy.ld, x.ld, dw.accumulate]);
      });
    }
  });
  return y;
}

const panelColumns = 16;

/** Elements of a packed (N, K) weight: panels of 16 columns. */
export const packedElements = (N: number, K: number): number => Math.ceil(N / panelColumns) * panelColumns * K;

export function packLinear(tape: Tape, w: Tensor, packed: Tensor): void {
  tape.emit('packLinear', [w, packed], [w.shape[0], w.shape[1], 0]);
}

/** y = x wᵀ or, turned, y = x w, with w packed first. */
function packedByRows(command: Command, turned: boolean): ByRows {
  const [x, w, y, bias = null] = command.tensors as [Tensor, Tensor, Tensor, Tensor?], [T, N, K, ldx, ldy, accumulate] = command.attributes;
  const [outputs, inputs] = turned ? [K, N] : [N, K], packed = plannedTensor([packedElements(outputs, inputs)], 'f32', 'packed weight');
  return {
    before: [{ kernel: 'packLinear', tensors: [w, packed], attributes: [N, K, turned ? 1 : 0] }],
    rows: { command: { ...command, kernel: 'linearPacked', tensors: [x, packed, y, bias], attributes: [T, outputs, inputs, ldx, ldy, accumulate] }, strides: [ldx, 0, ldy, 0], writes: [2] },
  };
}

const multiplyAdds = (a: readonly number[]) => ({ model: 2 * a[0] * a[1] * a[2] });

/** Also applied per expert by moe-experts.ts. */
export const linearKernels: readonly Kernel[] = [
  {
    name: 'linear', // t = x, w, y, bias?; a = T, N, K, ldx, ldy, accumulate
    flops: multiplyAdds,
    byRows: (command) => packedByRows(command, false),
    reference: ([x, w, y, bias], [T, N, K, ldx, ldy, accumulate]) => {
      for (let t = 0; t < T; t++) for (let n = 0; n < N; n++) {
        let sum = accumulate ? y[t * ldy + n] : 0;
        for (let k = 0, xi = t * ldx, wi = n * K; k < K; k++) sum += x[xi + k] * w[wi + k];
        y[t * ldy + n] = bias ? sum + bias[n] : sum;
      }
    },
  },
  {
    name: 'linearBackwardInput', // t = dy, w, dx; a = T, N, K, lddy, lddx, accumulate
    flops: multiplyAdds,
    byRows: (command) => packedByRows(command, true),
    reference: ([dy, w, dx], [T, N, K, lddy, lddx, accumulate]) => {
      for (let t = 0; t < T; t++) {
        const row = dx.subarray(t * lddx, t * lddx + K);
        if (!accumulate) row.fill(0);
        for (let n = 0; n < N; n++) {
          const d = dy[t * lddy + n];
          for (let k = 0, wi = n * K; k < K; k++) row[k] += d * w[wi + k];
        }
      }
    },
  },
  {
    name: 'linearBackwardWeight', // t = dy, x, dw, dbias?; a = T, N, K, lddy, ldx, accumulate
    flops: multiplyAdds,
    byRows: (command) => ({ after: [{ command, writes: [2, 3] }] }),
    reference: ([dy, x, dw, dbias], [T, N, K, lddy, ldx, accumulate]) => {
      if (!accumulate) { dw.fill(0, 0, N * K); dbias?.fill(0, 0, N); }
      for (let t = 0; t < T; t++) for (let n = 0; n < N; n++) {
        const d = dy[t * lddy + n];
        for (let k = 0, xi = t * ldx, wi = n * K; k < K; k++) dw[wi + k] += d * x[xi + k];
        if (dbias) dbias[n] += d;
      }
    },
  },
  {
    name: 'packLinear', // t = w, packed; a = N, K, turned. packed[n / 16][k][n % 16], zero padded; turned: the same of wᵀ
    reference: ([w, packed], [N, K, turned]) => {
      const [outputs, inputs] = turned ? [K, N] : [N, K];
      packed.fill(0, 0, packedElements(outputs, inputs));
      for (let n = 0; n < outputs; n++) for (let k = 0; k < inputs; k++) packed[((n >> 4) * inputs + k) * 16 + (n & 15)] = turned ? w[k * K + n] : w[n * K + k];
    },
  },
  {
    name: 'linearPacked', // t = x, packed, y, bias?; a = T, N, K, ldx, ldy, accumulate
    flops: multiplyAdds,
    byRows: (command) => ({ rows: { command, strides: [command.attributes[3], 0, command.attributes[4], 0], writes: [2] } }),
    reference: ([x, packed, y, bias], [T, N, K, ldx, ldy, accumulate]) => {
      for (let t = 0; t < T; t++) for (let n = 0; n < N; n++) {
        let sum = accumulate ? y[t * ldy + n] : 0;
        for (let k = 0; k < K; k++) sum += x[t * ldx + k] * packed[((n >> 4) * K + k) * 16 + (n & 15)];
        y[t * ldy + n] = bias ? sum + bias[n] : sum;
      }
    },
  },
];

export const linearOp: Op = {
  name: 'linear',
  kernels: linearKernels,
  samples: [
    ...([[1, 1, 1], [3, 17, 5], [7, 33, 65], [37, 48, 96], [65, 130, 31], [21, 75, 16]] as const).map(([T, N, K]) => ({
      label: `T=${T} N=${N} K=${K}`,
      inputs: { x: [T, K], w: [N, K], bias: [N] },
      record: (tape: Tape, { x, w, bias }: Readonly<Record<string, Tensor>>) => linear(tape, x, w, { bias: bias }),
    })),
    {
      label: 'column view, accumulate', inputs: { x: [9, 40], w: [20, 16], w2: [20, 24] },
      record: (tape, { x, w, w2 }) => linear(tape, columns(x, 16, 24), w2, { into: linear(tape, columns(x, 0, 16), w) }),
    },
    ...([[5, 37, 24], [1, 1, 1], [1, 65, 33], [2, 16, 7], [17, 31, 130]] as const).map(([T, N, K]) => ({
      label: `packed T=${T} N=${N} K=${K}`, inputs: { x: [T, K], w: [N, K], bias: [N] }, gradient: false,
      record: (tape: Tape, { x, w, bias }: Readonly<Record<string, Tensor>>) => {
        const packed = tape.temp([packedElements(N, K)]);
        packLinear(tape, w, packed);
        return linear(tape, x, w, { packed, bias, into: linear(tape, x, w) });
      },
    })),
  ],
};
