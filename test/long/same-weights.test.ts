// 200 SFT and 20 GRPO steps give the same bytes with 1 and 2 threads under load, and on every instruction set of this machine.

import { test } from 'node:test';
import { architectures, smallRecipe } from '../interrupted-run.ts';
import { assertSameWeights } from '../same-weights.ts';

for (const architecture of architectures) {
  test(`${architecture}: 200 SFT and 20 GRPO steps, the same bytes`, () => assertSameWeights(smallRecipe(architecture, { sft: 200, grpo: 20, every: 100 })));
}
