// Mixture of experts without padding or dropping: rows are sorted by expert, and each expert multiplies only its own.
//   moeSort: slot of (t, k) = position of the pair when ordered by expert, then by t, then by k;
//   moeGather: xs[slot] = x[t];  groupedLinear: ys = xs · w[expert]ᵀ;  moeCombine: y[t] = Σ_k weight[t,k] · ys[slot(t,k)].
// Every value depends on its own row alone, so exactness needs nothing more than a fixed order of k.
// T tokens, E experts, K experts a token, S = T·K slots, C channels.

import type { Tape } from '../tape.ts';
import { type Tensor, expectShape } from '../tensor.ts';
import type { Kernel } from '../kernel.ts';
import type { Op } from './op.ts';
import { linearKernels } from './linear.ts';

export interface Slots {
  /** (E + 1) i32: slots of expert e are offsets[e] … offsets[e+1]. */
  readonly offsets: Tensor;
  /** (S) i32: t·K + k of each slot. */
  readonly order: Tensor;
  /** (T, K) i32: slot of each pair. */
  readonly place: Tensor;
}

/** experts (T, K) i32 → where each (token, choice) goes. */
export function moeSort(tape: Tape, experts: Tensor, E: number): Slots {
  const [T, K] = experts.shape as [number, number];
  const slots = { offsets: tape.temp([E + 1], 'i32', 'offsets'), order: tape.temp([T * K], 'i32', 'order'), place: tape.temp([T, K], 'i32', 'place') };
  tape.emit('moeSort', [experts, slots.offsets, slots.order, slots.place], [T, E, K]);
  return slots;
}

/** x (T, C) → (S, C), sorted by expert. */
export function moeGather(tape: Tape, x: Tensor, slots: Slots): Tensor {
  const [T, C] = x.shape as [number, number];
  const K = slots.place.shape[1];
  const out = tape.temp([T * K, C], 'f32', 'expert inputs');
  tape.emit('moeGather', [x, slots.order, out], [T * K, K, C, x.ld]);
  tape.node(out, [x], () => {
    const dx = tape.gradOf(x);
    const dout = tape.isAwaited(out) ? tape.gradInPlace(out) : tape.gradArrived(out);
    tape.emit('moeGatherBackward', [dout, slots.place, dx.tensor], [T, K, C, dx.tensor.ld, dx.accumulate]);
    if (tape.isAwaited(out)) tape.withValue(x, dout, (x) => {
      tape.emit('moeGather', [x, slots.order, dout], [T * K, K, C, x.ld]);
      tape.restored(out, dout);
    });
  });
  tape.fleeting(out);
  return out;
}

/** x (S, K), w (E, N, K) → (S, N): rows of expert e times w[e]ᵀ. */
export function groupedLinear(tape: Tape, x: Tensor, w: Tensor, slots: Slots): Tensor {
  const [E, N, K] = w.shape as [number, number, number];
  const S = x.shape[0];
  expectShape('groupedLinear', 'input', x.shape, [S, K]);
  const y = tape.temp([S, N], 'f32', 'grouped linear');
  tape.emit('groupedLinear', [x, w, y, slots.offsets], [E, N, K, x.ld, y.ld, 0, S]);
  tape.node(y, [x, w], () => {
    const dy = tape.gradArrived(y);
    if (tape.needsGrad(x)) {
      const dx = tape.gradOf(x);
      tape.emit('groupedLinearBackwardInput', [dy, w, dx.tensor, slots.offsets], [E, N, K, dy.ld, dx.tensor.ld, dx.accumulate, S]);
    }
    if (tape.needsGrad(w)) tape.withValue(x, dy, (x) => {
      const dw = tape.gradOf(w);
      tape.emit('groupedLinearBackwardWeight', [dy, x, dw.tensor, slots.offsets], [E, N, K, dy.ld, x.ld, dw.accumulate, S]);
    });
  });
  return y;
}

/** ys (S, C) weighted back to tokens (T, C); the only reader of ys. */
export function moeCombine(tape: Tape, ys: Tensor, weights: Tensor, slots: Slots): Tensor {
  const [T, K] = weights.shape as [number, number];
  const C = ys.shape[1];
  const y = tape.temp([T, C], 'f32', 'experts');
  tape.emit('moeCombine', [ys, slots.place, weights, y], [T, K, C]);
  tape.node(y, [ys, weights], () => {
    const dys = tape.gradOver(ys), dweights = tape.gradOf(weights);
    tape.emit('moeCombineBackward', [tape.gradArrived(y), ys, slots.place, weights, dys.tensor, dweights.tensor], [T, K, C]);
  });
  return y;
}

type Reference = Kernel['reference'];
const linearReferences = Object.fromEntries(linearKernels.map((k) => [k.name, k.reference]));

/** Applies a kernel of linear.ts to the rows of each expert. Tensors 0 … 2 with their elements per row or expert. */
const perExpert = (reference: Reference, w: 1 | 2) => (t: Parameters<Reference>[0], [E, N, K, ld0, ld1, accumulate]: readonly number[]): void => {
  const [first, second, third, offsets] = t;
  for (let e = 0; e < E; e++) {
    const from = offsets[e], rows = offsets[e + 1] - from, weight = e * N * K;
    const views = w === 1
      ? [first.subarray(from * ld0), second.subarray(weight), third.subarray(from * ld1)]
      : [first.subarray(from * ld0), second.subarray(from * ld1), third.subarray(weight)];
    reference(views, [rows, N, K, ld0, ld1, accumulate]);
  }
};

const flops = (a: readonly number[]) => ({ model: 2 * a[6] * a[1] * a[2] });

export const moeExpertsOp: Op = {
  name: 'moeExperts',
  kernels: [
    {
      name: 'moeSort', // t = experts, offsets, order, place; a = T, E, K
      reference: ([experts, offsets, order, place], [T, E, K]) => {
        const count = new Int32Array(E + 1);
        for (let i = 0; i < T * K; i++) count[experts[i] + 1]++;
        for (let e = 0; e < E; e++) count[e + 1] += count[e];
        offsets.set(count);
        for (let i = 0; i < T * K; i++) { const slot = count[experts[i]]++; order[slot] = i; place[i] = slot; }
      },
    },
    {
      name: 'moeGather', // t = x, order, out; a = S, K, C, ldx
      reference: ([x, order, out], [S, K, C, ldx]) => {
        for (let s = 0; s < S; s++) { const t = Math.floor(order[s] / K); out.set(x.subarray(t * ldx, t * ldx + C), s * C); }
      },
    },
    {
      name: 'moeGatherBackward', // t = dout, place, dx; a = T, K, C, lddx, accumulate
      reference: ([dout, place, dx], [T, K, C, lddx, accumulate]) => {
        for (let t = 0; t < T; t++) {
          if (!accumulate) dx.fill(0, t * lddx, t * lddx + C);
          for (let k = 0; k < K; k++) for (let c = 0; c < C; c++) dx[t * lddx + c] += dout[place[t * K + k] * C + c];
        }
      },
    },
    // a = E, N, K, ld of tensor 0, ld of tensor 1 or 2 (rows), accumulate, S; last tensor: offsets
    { name: 'groupedLinear', flops, reference: perExpert(linearReferences['linear'], 1) }, // t = x, w, y, offsets
    { name: 'groupedLinearBackwardInput', flops, reference: perExpert(linearReferences['linearBackwardInput'], 1) }, // t = dy, w, dx, offsets
    { name: 'groupedLinearBackwardWeight', flops, reference: perExpert(linearReferences['linearBackwardWeight'], 2) }, // t = dy, x, dw, offsets
    {
      name: 'moeCombine', // t = ys, place, weights, y; a = T, K, C
      reference: ([ys, place, weights, y], [T, K, C]) => {
        for (let t = 0; t < T; t++) for (let c = 0; c < C; c++) {
          let sum = 0;
          for (let k = 0; k < K; k++) sum += weights[t * K + k] * ys[place[t * K + k] * C + c];
          y[t * C + c] = sum;
        }
      },
    },
    {
      name: 'moeCombineBackward', // t = dy, ys, place, weights, dys (overwritten; may be ys), dweights (overwritten); a = T, K, C
      reference: ([dy, ys, place, weights, dys, dweights], [T, K, C]) => {
        for (let t = 0; t < T; t++) for (let k = 0; k < K; k++) {
          const slot = place[t * K + k] * C, weight = weights[t * K + k];
          let dot = 0;
          for (let c = 0; c < C; c++) {
            dot += dy[t * C + c] * ys[slot + c];
            dys[slot + c] = weight * dy[t * C + c];
          }
          dweights[t * K + k] = dot;
        }
      },
    },
  ],
  samples: ([[1, 3, 1, 4, 5, 0], [9, 4, 2, 17, 8, 0], [40, 8, 3, 32, 20, 0], [1, 1, 1, 1, 1, 0], [7, 5, 1, 3, 33, 3], [70, 6, 2, 5, 7, 4]] as const).map(([T, E, K, C, N, first]) => ({
    label: `T=${T} E=${E} K=${K} C=${C} N=${N} from expert ${first}`, // with few tokens all choose the same, so the others stay empty
    inputs: { x: [T, C], w: [E, N, C], weights: [T, K] },
    record: (tape: Tape, { x, w, weights }: Readonly<Record<string, Tensor>>) => {
      const experts = tape.input(Int32Array.from({ length: T * K }, (_, i) => (Math.floor(i / K) * (T > 20 && first === 0 ? 3 : 0) + (i % K) + first) % E), [T, K]);
      const slots = moeSort(tape, experts, E);
      return moeCombine(tape, groupedLinear(tape, moeGather(tape, x, slots), w, slots), weights, slots);
    },
  })),
};
