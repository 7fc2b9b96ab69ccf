// RMSNorm (Zhang & Sennrich 2019): y = x / sqrt(mean(x²) + eps) · w, over rows of C channels.
// With an offset the weight counts from there: w + 1 in Gemma, whose files hold w.
// A row may hold G groups side by side (q- and k-norm: one group a head), all with the same weight.
//   dx = rstd · (w·dy − x̂ · mean(w·dy·x̂)),  dw = Σ dy·x̂,  x̂ = x·rstd.
// dw is summed over fixed blocks of 64 rows, then over the blocks in order: the same bits with any number of threads.

import type { Tape } from '../tape.ts';
import { type Tensor, columns, expectShape } from '../tensor.ts';
import type { Op } from './op.ts';

const rowsPerBlock = 64;

/** x (T, G·C), weight (C) → (T, G·C). */
export function rmsNorm(tape: Tape, x: Tensor, weight: Tensor, eps: number, offset = 0): Tensor {
  const [T, width] = x.shape as [number, number];
  const C = weight.shape[0];
  const G = width / C;
  expectShape('rmsNorm', 'input', x.shape, [T, Math.round(G) * C]);
  const y = tape.temp([T, width], 'f32', 'rmsNorm');
  const rstd = tape.temp([T * G], 'f32', 'rstd');
  tape.emit('rmsNorm', [x, weight, y, rstd], [T, G, C, x.ld, y.ld, eps, offset]);
  tape.node(y, [x, weight], () => {
    const again = tape.isAwaited(y), dy = again ? tape.gradInPlace(y) : tape.gradArrived(y); // y is made again where dy was
    const dx = tape.needsGrad(x) ? tape.gradOf(x) : null;
    const dw = tape.needsGrad(weight) ? tape.gradSum(weight) : null;
    const partial = dw ? tape.temp([Math.ceil(T / rowsPerBlock), C], 'f32', 'partial dw') : null;
    tape.emit('rmsNormBackward', [x, weight, rstd, dy, dx?.tensor, dw, again ? dy : null, partial], [T, G, C, x.ld, dy.ld, dx?.tensor.ld ?? 0, dx?.accumulate ?? 0, offset]);
    if (again) tape.restored(y, dy);
  });
  tape.fleeting(y);
  return y;
}

export const rmsNormOp: Op = {
  name: 'rmsNorm',
  kernels: [
    {
      name: 'rmsNorm', // t = x, weight, y, rstd (T·G); a = T, G, C, ldx, ldy, eps, offset
      byRows: (command) => { const [, G, , ldx, ldy] = command.attributes; return { rows: { command, strides: [ldx, 0, ldy, G], writes: [2, 3] } }; },
      reference: ([x, w, y, rstd], [T, G, C, ldx, ldy, eps, offset]) => {
        for (let t = 0; t < T; t++) for (let g = 0; g < G; g++) {
          const xi = t * ldx + g * C, yi = t * ldy + g * C;
          let squares = 0;
          for (let c = 0; c < C; c++) squares += x[xi + c] ** 2;
          const r = Math.fround(1 / Math.sqrt(squares / C + eps));
          rstd[t * G + g] = r;
          for (let c = 0; c < C; c++) y[yi + c] = x[xi + c] * r * (w[c] + offset);
        }
      },
    },
    {
      name: 'rmsNormBackward', // t = x, weight, rstd, dy, dx?, dw? (+=; without it the blocks stay), y? (rows like dy's; may be dy), partial?; a = T, G, C, ldx, lddy, lddx, accumulate dx, offset
      byRows: (command) => {
        const [x, weight, rstd, dy, dx, dw, y, partial] = command.tensors, [T, G, C, ldx, lddy, lddx] = command.attributes;
        return {
          rows: { command: { ...command, tensors: [x, weight, rstd, dy, dx, null, y, partial] }, strides: [ldx, 0, G, lddy, lddx, 0, lddy, C / rowsPerBlock], writes: [4, 6, 7] },
          after: dw ? [{ command: { ...command, kernel: 'addBlocks', tensors: [partial, dw], attributes: [Math.ceil(T / rowsPerBlock), C] }, writes: [1] }] : [],
        };
      },
      reference: ([x, w, rstd, dy, dx, dw, y, partial], [T, G, C, ldx, lddy, lddx, accumulate, offset]) => {
        if (!dw) partial?.fill(0, 0, Math.ceil(T / rowsPerBlock) * C);
        for (let t = 0; t < T; t++) for (let g = 0; g < G; g++) {
          const xi = t * ldx + g * C, di = t * lddy + g * C, oi = t * lddx + g * C;
          const r = rstd[t * G + g];
          let dot = 0;
          for (let c = 0; c < C; c++) dot += (w[c] + offset) * dy[di + c] * x[xi + c] * r;
          for (let c = 0; c < C; c++) {
            const normed = x[xi + c] * r;
            if (dx) dx[oi + c] = r * ((w[c] + offset) * dy[di + c] - normed * dot / C) + (accumulate ? dx[oi + c] : 0);
            if (dw) dw[c] += dy[di + c] * normed;
            else if (partial) partial[Math.floor(t / rowsPerBlock) * C + c] += dy[di + c] * normed;
            if (y) y[di + c] = normed * (w[c] + offset);
          }
        }
      },
    },
    {
      name: 'addBlocks', // t = partial (blocks, C), dw (+=); a = blocks, C. Blocks in order.
      reference: ([partial, dw], [blocks, C]) => {
        for (let b = 0; b < blocks; b++) for (let c = 0; c < C; c++) dw[c] += partial[b * C + c];
      },
    },
  ],
  samples: [
    ...([[1, 1, 1], [5, 1, 17], [130, 1, 96], [9, 3, 20]] as const).map(([T, G, C]) => ({
      label: `T=${T} G=${G} C=${C}`,
      inputs: { x: [T, G * C], w: [C] },
      record: (tape: Tape, { x, w }: Readonly<Record<string, Tensor>>) => rmsNorm(tape, x, w, C === 1 ? 0.5 : 1e-5), // with one channel and no eps the function is a step
    })),
    { label: 'weight from 1', inputs: { x: [7, 38], w: [19] }, record: (tape, { x, w }) => rmsNorm(tape, x, w, 1e-6, 1) },
    { label: 'column view', inputs: { x: [6, 40], w: [24] }, record: (tape, { x, w }) => rmsNorm(tape, columns(x, 8, 24), w, 1e-6) },
  ],
};
