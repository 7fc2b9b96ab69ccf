// add: z = x + y (the residual stream). Both inputs get the gradient of z, without copies where possible.
// axpby: y = α x + β y in place, the workhorse of scaling and of gradients that meet.

import type { Tape } from '../tape.ts';
import { type Tensor, expectShape, sizeOf } from '../tensor.ts';
import type { Op } from './op.ts';

/** x, y of one shape, without gaps → x + y. */
export function add(tape: Tape, x: Tensor, y: Tensor): Tensor {
  expectShape('add', 'second input', y.shape, x.shape);
  const z = tape.temp(x.shape, 'f32', 'add');
  tape.emit('add', [x, y, z], [sizeOf(x.shape)]);
  tape.node(z, [x, y], () => {
    tape.shareGrad(x, tape.gradArrived(z));
    tape.shareGrad(y, tape.gradArrived(z));
  });
  return z;
}

/** x + y in the place of y, which has no other reader; its op needs no value of it on the way back. */
export function addOver(tape: Tape, x: Tensor, y: Tensor): Tensor {
  expectShape('add', 'second input', y.shape, x.shape);
  tape.emit('add', [x, y, y], [sizeOf(x.shape)]);
  tape.node(y, [x, y], () => tape.shareGrad(x, tape.gradArrived(y)));
  return y;
}

/** α · x. */
export function scale(tape: Tape, x: Tensor, alpha: number): Tensor {
  const y = tape.temp(x.shape, 'f32', 'scale');
  tape.emit('axpby', [x, y], [sizeOf(x.shape), alpha, 0]);
  tape.node(y, [x], () => {
    const dx = tape.gradOf(x);
    tape.emit('axpby', [tape.gradArrived(y), dx.tensor], [sizeOf(x.shape), alpha, dx.accumulate]);
  });
  return y;
}

export const addOp: Op = {
  name: 'add',
  kernels: [
    {
      name: 'add', // t = x, y, z (may be y); a = n
      byRows: (command) => ({ rows: { command, strides: [1, 1, 1], writes: [2], elements: true } }),
      reference: ([x, y, z], [n]) => { for (let i = 0; i < n; i++) z[i] = x[i] + y[i]; },
    },
    {
      name: 'axpby', // t = x, y; a = n, α, β: y = α x + β y (β = 0 does not read y)
      byRows: (command) => ({ rows: { command, strides: [1, 1], writes: [1], elements: true } }),
      reference: ([x, y], [n, alpha, beta]) => { for (let i = 0; i < n; i++) y[i] = alpha * x[i] + (beta === 0 ? 0 : beta * y[i]); },
    },
    {
      name: 'fill', // t = x; a = n, value
      reference: ([x], [n, value]) => { x.fill(value, 0, n); },
    },
  ],
  samples: [1, 35, 4100].flatMap((n) => [
    { label: `n=${n}`, inputs: { x: [n], y: [n] }, record: (tape: Tape, { x, y }: Readonly<Record<string, Tensor>>) => add(tape, x, y) },
    { label: `scale n=${n}`, inputs: { x: [n] }, record: (tape: Tape, { x }: Readonly<Record<string, Tensor>>) => scale(tape, x, -0.3) },
    {
      label: `in place n=${n}`, inputs: { x: [n], y: [n] },
      record: (tape: Tape, { x, y }: Readonly<Record<string, Tensor>>) => addOver(tape, x, scale(tape, add(tape, x, y), 0.7)),
    },
    {
      label: `twice n=${n}`, inputs: { x: [n], y: [n] },
      record: (tape: Tape, { x, y }: Readonly<Record<string, Tensor>>) => { const z = add(tape, x, y); return add(tape, add(tape, z, scale(tape, z, 2)), z); },
    },
  ]),
};
