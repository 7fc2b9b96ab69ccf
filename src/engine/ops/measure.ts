// What the machine can do, measured with the pool that does the work: the peak of fused multiply-adds, and how fast memory
// can be read. Benchmarks and `tiefsuche doctor` set everything else in relation to these two.

import type { Op } from './op.ts';

export const measureOp: Op = {
  name: 'measure',
  kernels: [
    {
      name: 'fmaPeak', // t = out (1): operations done; a = rounds a thread
      reference: ([out], [rounds]) => {
        let x = 1;
        for (let i = 0; i < rounds; i++) x = x * 0.999 + 0.001;
        out[0] = 2 * rounds + 0 * x;
      },
    },
    {
      name: 'readBandwidth', // t = x, out (1); a = n: out = a sum over x that no compiler can skip
      reference: ([x, out], [n]) => { let s = 0; for (let i = 0; i < n; i++) s += x[i]; out[0] = s; },
    },
  ],
  samples: [],
};
