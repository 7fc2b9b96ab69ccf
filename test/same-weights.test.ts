// 90 SFT and 5 GRPO steps give the same bytes with 1 and 2 threads under load, and on every instruction set of this machine. The long form is in test/long/.

import { test } from 'node:test';
import { architectures, smallRecipe } from './interrupted-run.ts';
import { assertSameWeights } from './same-weights.ts';

for (const architecture of architectures) {
  test(`${architecture}: 90 SFT and 5 GRPO steps, the same bytes`, () => assertSameWeights(smallRecipe(architecture, { sft: 90, grpo: 5, every: 100 })));
}
