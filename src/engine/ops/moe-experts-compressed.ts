// Expert stacks that stay in few bits (panels.ts): ys = xs · w[expert]ᵀ, each expert's rows alone, as linear-compressed.ts does
// it for one weight: fast (activations in 8 bits; 16-bit weights with the bits of f32) or, beneath what trains, exactly.
// S slots (rows sorted by expert), E experts, K inputs, N outputs.

import { compressedTypes } from '../panels.ts';
import type { Kernel, View } from '../kernel.ts';
import type { Tape } from '../tape.ts';
import { type Tensor, expectShape } from '../tensor.ts';
import { type CompressedWeight, halfNumber, linearCompressedOp, sampleWeight, typeNumber } from './linear-compressed.ts';
import { type Slots, moeGather, moeSort } from './moe-experts.ts';
import type { Op } from './op.ts';

/** x (S, K) → (S, N), without a gradient. */
export function groupedCompressed(tape: Tape, x: Tensor, w: CompressedWeight, slots: Slots): Tensor {
  const S = x.shape[0]!, [N, K] = w.shape, half = halfNumber(w.type);
  expectShape('groupedCompressed', 'input', x.shape, [S, K]);
  const y = tape.temp([S, N], 'f32', 'grouped linear');
  tape.emit(half === null ? 'groupedQuantised' : 'groupedHalf', [x, w.panels, y, slots.offsets], [w.stack!, N, K, x.ld, y.ld, 0, S, half ?? typeNumber(w.type)]);
  return y;
}

/** x (S, K) → (S, N) with the bits of `groupedLinear`, and a way back to x. */
export function groupedFrozen(tape: Tape, x: Tensor, w: CompressedWeight, slots: Slots): Tensor {
  const S = x.shape[0]!, [N, K] = w.shape, E = w.stack!, type = typeNumber(w.type);
  expectShape('groupedFrozen', 'input', x.shape, [S, K]);
  const y = tape.temp([S, N], 'f32', 'grouped linear');
  tape.emit('groupedFrozen', [x, w.panels, y, slots.offsets], [E, N, K, x.ld, y.ld, 0, S, type]);
  tape.node(y, [x], () => {
    const dy = tape.gradArrived(y), dx = tape.gradOf(x);
    tape.emit('groupedFrozenBackwardInput', [dy, w.panels, dx.tensor, slots.offsets], [E, N, K, dy.ld, dx.tensor.ld, dx.accumulate, S, type]);
  });
  return y;
}

const kernelOf = (name: string): Kernel => linearCompressedOp.kernels.find((k) => k.name === name)!;

/** A kernel of linear-compressed.ts for the rows of each expert. */
function perExpert(name: string, single: string): Kernel {
  const { reference } = kernelOf(single);
  return {
    name, flops: (a) => ({ model: 2 * a[6]! * a[1]! * a[2]! }),
    reference: ([from, panels, to, offsets], [E, N, K, ldFrom, ldTo, accumulate, , type]) => {
      const each = panels!.length / E!;
      for (let e = 0; e < E!; e++) {
        const first = offsets![e]!, rows = offsets![e + 1]! - first;
        reference([from!.subarray(first * ldFrom!), panels!.subarray(e * each, (e + 1) * each), to!.subarray(first * ldTo!), undefined as unknown as View], [rows, N!, K!, ldFrom!, ldTo!, accumulate!, type!]);
      }
    },
  };
}

export const moeExpertsCompressedOp: Op = {
  name: 'moeExpertsCompressed',
  kernels: [ // t = x, panels, y, offsets; a = E, N, K, ldx, ldy, accumulate, S, type
    perExpert('groupedQuantised', 'linearQuantised'),
    perExpert('groupedHalf', 'linearHalf'), // type 0 f16, 1 bf16
    perExpert('groupedFrozen', 'linearFrozen'),
    perExpert('groupedFrozenBackwardInput', 'linearFrozenBackwardInput'), // t = dy, panels, dx, offsets
  ],
  samples: Object.entries(compressedTypes).flatMap(([fileType, type]) => ([[1, 3, 1, 35], [40, 6, 2, 16]] as const).flatMap(([T, E, K, N]) => [groupedFrozen, groupedCompressed].map((grouped) => {
    const C = fileType.endsWith('_K') ? 256 : 96;
    return {
      label: `${grouped === groupedFrozen ? 'frozen ' : ''}${fileType} T=${T} E=${E} K=${K} C=${C} N=${N}`, inputs: { x: [T, C] }, scale: 0.3, ...(grouped === groupedCompressed && { gradient: false as const }),
      record: (tape: Tape, { x }: Readonly<Record<string, Tensor>>) => {
        const experts = tape.input(Int32Array.from({ length: T * K }, (_, i) => (Math.floor(i / K) * (T > 20 ? 3 : 0) + (i % K) + 1) % E), [T, K]), slots = moeSort(tape, experts, E);
        return grouped(tape, moeGather(tape, x!, slots), sampleWeight(tape, fileType, type, N, C, E), slots);
      },
    };
  }))),
};
