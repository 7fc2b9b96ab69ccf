// Everything a run needs to go on: weights (and adapters), optimiser state, expert loads, where it stands.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TiefsucheError } from '../errors.ts';
import { faultPoint } from '../fault-point.ts';
import type { Tensor } from '../engine/tensor.ts';
import { sizeOf } from '../engine/tensor.ts';
import { readSafetensors } from '../models/formats/safetensors.ts';
import { writeSafetensors } from '../models/formats/safetensors-write.ts';
import { type WrittenWeight, readWeights, writtenWeights } from '../models/load.ts';
import type { Model } from '../models/model.ts';
import type { Optimizer } from '../engine/optimizers.ts';
import type { EvaluationResults } from './evaluation-points.ts';
import type { MetricsValue } from './run-folder-metrics.ts';

export interface Position {
  /** Steps done in all stages. */
  readonly step: number;
  readonly stage: number;
  /** Steps done in this stage; its whole length is written once it is over. */
  readonly stageStep: number;
  readonly stageOver: boolean;
  readonly stageState: MetricsValue;
  /** Evaluations so far, by their key. Nothing here may depend on time or energy: equal runs write equal bytes. */
  readonly evaluations: EvaluationResults;
}

function written(model: Model, { name, tensor }: { name: string; tensor: Tensor }): WrittenWeight {
  const data = (): Float32Array => {
    const values = new Float32Array(sizeOf(tensor.shape));
    model.backend.download(tensor.storage.buffer!, tensor.storage.offset, values);
    return values;
  };
  return { name, shape: tensor.shape, dtype: 'F32', data };
}

const expertLoads = (model: Model): { name: string; tensor: Tensor }[] => [...model.expertCounts].map(([layer, tensor]) => ({ name: `load.${layer}`, tensor }));

/** Writes a snapshot into a folder that the caller makes atomic. */
export async function writeSnapshot(folder: string, model: Model, optimizer: Optimizer, position: Position): Promise<void> {
  // A frozen base is not saved again and again: with adapters, they are what changes.
  await writeSafetensors(join(folder, 'weights.safetensors'), writtenWeights(model.lora?.parameters ?? model.parameters));
  faultPoint('snapshot.half');
  await writeSafetensors(join(folder, 'optimizer.safetensors'), [...optimizer.state(), ...expertLoads(model)].map((t) => written(model, t)));
  writeFileSync(join(folder, 'position.json'), `${JSON.stringify(position)}\n`);
}

/** About what one snapshot takes on the disk: the trained weights and two moments of each. */
export const snapshotBytes = (model: Model): number => 3 * (model.lora?.parameters ?? model.parameters).weights.bytes;

export const readPosition = (folder: string): Position => JSON.parse(readFileSync(join(folder, 'position.json'), 'utf8')) as Position;

export function restoreWeights(folder: string, model: Model): void {
  const file = readSafetensors(join(folder, 'weights.safetensors'));
  try { readWeights(model.lora?.parameters ?? model.parameters, file); } finally { file.close(); }
}

export function restoreOptimizer(folder: string, model: Model, optimizer: Optimizer): void {
  const file = readSafetensors(join(folder, 'optimizer.safetensors'));
  try {
    for (const { name, tensor } of [...optimizer.state(), ...expertLoads(model)]) {
      if (!file.tensors.has(name)) throw new TiefsucheError('CHECKPOINT', `the checkpoint ${folder} lacks ${name}`, { hint: 'It was written by another recipe; delete the folder to continue from the one before it.' });
      model.backend.upload(tensor.storage.buffer!, tensor.storage.offset, file.readFloat32(name));
    }
  } finally { file.close(); }
}
