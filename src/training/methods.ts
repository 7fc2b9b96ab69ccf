// Every training method: one line each.

import { grpo } from './grpo.ts';
import type { Method } from './method.ts';
import { pretrain } from './pretrain.ts';
import { sft } from './sft.ts';

export const methods: readonly Method[] = [grpo, pretrain, sft] as unknown as readonly Method[];
