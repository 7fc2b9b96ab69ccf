// Every op of the engine: one line each.

import type { Kernel } from '../kernel.ts';
import { addOp } from './add.ts';
import { attentionCachedOp } from './attention-cached.ts';
import { attentionOp } from './attention.ts';
import { concatColumnsOp } from './concat-columns.ts';
import { crossEntropyOp } from './cross-entropy.ts';
import { embeddingOp } from './embedding.ts';
import { gegluOp } from './geglu.ts';
import { linearCompressedOp } from './linear-compressed.ts';
import { linearOp } from './linear.ts';
import { measureOp } from './measure.ts';
import { mlaKeysOp } from './mla-keys.ts';
import { moeExpertsCompressedOp } from './moe-experts-compressed.ts';
import { moeExpertsOp } from './moe-experts.ts';
import { moeRouteOp } from './moe-route.ts';
import type { Op } from './op.ts';
import { optimizersOp } from './optimizers.ts';
import { rmsNormOp } from './rms-norm.ts';
import { ropeOp } from './rope.ts';
import { rowsOp } from './rows.ts';
import { sampleOp } from './sample.ts';
import { swigluOp } from './swiglu.ts';

export const ops: readonly Op[] = [
  addOp,
  attentionOp,
  attentionCachedOp,
  concatColumnsOp,
  crossEntropyOp,
  embeddingOp,
  gegluOp,
  linearOp,
  linearCompressedOp,
  measureOp,
  mlaKeysOp,
  moeExpertsOp,
  moeExpertsCompressedOp,
  moeRouteOp,
  optimizersOp,
  rmsNormOp,
  ropeOp,
  rowsOp,
  sampleOp,
  swigluOp,
];

export const kernels: ReadonlyMap<string, Kernel> = new Map(ops.flatMap((op) => op.kernels.map((k) => [k.name, k])));
