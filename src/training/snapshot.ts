// Everything a run needs to go on: weights (and adapters), optimiser state, expert loads, where it stands.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TiefsucheError } from '../errors.ts';
import type { Tensor } from '../engine/tensor.ts';
import { sizeOf } from '../engine/tensor.ts';
import { readSafetensors } from '../models/formats/safetensors.ts';
import { writeSafetensors } from '../models/formats/safetensors-write.ts';
import { readWeights, writtenWeights } from '../models/load.ts';
import type { Model } from '../models/model.ts';
import type { Optimizer } from '../engine/optimizers.ts';
import type { MetricsValue } from './run-folder-metrics.ts';

export interface Position {
  /** Steps done in all stages. */
  readonly step: number;
  readonly stage: number;
  /** Steps done in this stage; its whole length is written once it is over. */
  readonly stageStep: number;
  readonly stageOver: boolean;
  readonly stageState: MetricsValue;
  /** Results of evaluations so far, for the summary. */
  readonly results: MetricsValue;
}

function* tensorData(model: Model, tensors: readonly { name: string; tensor: Tensor }[]): Generator<{ name: string; shape: readonly number[]; dtype: 'F32'; data: Float32Array }> {
  for (const { name, tensor } of tensors) {
    const data = new Float32Array(sizeOf(tensor.shape));
    model.backend.download(tensor.storage.buffer!, tensor.storage.offset, data);
    yield { name, shape: tensor.shape, dtype: 'F32', data };
  }
}

const expertLoads = (model: Model): { name: string; tensor: Tensor }[] => [...model.expertCounts].map(([layer, tensor]) => ({ name: `load.${layer}`, tensor }));

/** Writes a snapshot into a folder that the caller makes atomic. */
export async function writeSnapshot(folder: string, model: Model, optimizer: Optimizer | null, position: Position): Promise<void> {
  // A frozen base is not saved again and again: with adapters, they are what changes.
  await writeSafetensors(join(folder, 'weights.safetensors'), writtenWeights(model.lora?.parameters ?? model.parameters) as never);
  await writeSafetensors(join(folder, 'optimizer.safetensors'), tensorData(model, [...(optimizer?.state() ?? []), ...expertLoads(model)]) as never);
  writeFileSync(join(folder, 'position.json'), `${JSON.stringify(position)}\n`);
}

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
