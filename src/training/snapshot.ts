// Everything a run needs to go on: weights (and adapters), optimiser state, expert loads, the policy a stage is measured
// against, where it stands.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TiefsucheError } from '../errors.ts';
import { faultPoint } from '../fault-point.ts';
import { type Arena, execute, read } from '../engine/program.ts';
import { Tape } from '../engine/tape.ts';
import type { Tensor } from '../engine/tensor.ts';
import { fixedTensor, sizeOf } from '../engine/tensor.ts';
import { readSafetensors } from '../models/formats/safetensors.ts';
import { writeSafetensors } from '../models/formats/safetensors-write.ts';
import { type WrittenWeight, readWeights, writtenWeights } from '../models/load.ts';
import type { Model } from '../models/model.ts';
import type { Optimizer } from '../engine/optimizers.ts';
import type { EvaluationResults } from './evaluation-points.ts';
import type { ReferencePolicy } from './reference-policy.ts';
import type { MetricsValue } from '../runs/run-folder-metrics.ts';

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

function written(model: Model, { name, tensor }: { name: string; tensor: Tensor }, memory: Float32Array): WrittenWeight {
  const data = (): Float32Array => {
    const values = memory.subarray(0, sizeOf(tensor.shape));
    model.backend.download(tensor.storage.buffer!, tensor.storage.offset, values);
    return values;
  };
  return { name, shape: tensor.shape, dtype: 'F32', data };
}

const expertLoads = (model: Model): { name: string; tensor: Tensor }[] => [...model.expertCounts].map(([layer, tensor]) => ({ name: `load.${layer}`, tensor }));

/** Refuses to save weights that are no numbers, or nearly so: the last checkpoint must stay one to go on from. */
export async function checkWeights(model: Model, arena: Arena, step: number): Promise<void> {
  const { weights } = model.lora?.parameters ?? model.parameters, n = weights.bytes / 4, tape = new Tape({ training: false });
  const squared = tape.output(tape.temp([1], 'f32', 'squared norm'));
  tape.emit('squaredNorm', [fixedTensor(weights, 0, [n]), squared], [n]);
  const program = tape.finish(arena);
  await execute(program);
  if (Number.isFinite(read(program, squared)[0])) return;
  throw new TiefsucheError('NUMERICS', `the weights overflowed in step ${step} and were not saved`, { hint: 'The last checkpoint is kept. Lower the learning rate in recipe.yaml of the run, and resume.' });
}

/** Writes a snapshot into a folder that the caller makes atomic. */
export async function writeSnapshot(folder: string, model: Model, optimizer: Optimizer, position: Position, reference?: ReferencePolicy): Promise<void> {
  // A frozen base is not saved again and again: with adapters, they are what changes.
  await writeSafetensors(join(folder, 'weights.safetensors'), writtenWeights(model.lora?.parameters ?? model.parameters));
  faultPoint('snapshot.half');
  const state = [...optimizer.state(), ...expertLoads(model)], memory = new Float32Array(Math.max(...state.map(({ tensor }) => sizeOf(tensor.shape))));
  await writeSafetensors(join(folder, 'optimizer.safetensors'), state.map((t) => written(model, t, memory)));
  const kept = reference?.weights;
  if (kept) await writeSafetensors(join(folder, 'reference.safetensors'), [{ name: 'weights', shape: [kept.length], dtype: 'F32', data: () => kept }]);
  writeFileSync(join(folder, 'position.json'), `${JSON.stringify(position)}\n`);
}

/** About what one snapshot takes on the disk at most: the trained weights, two moments of each, and those of the policy they are measured against. */
export const snapshotBytes = (model: Model): number => 4 * (model.lora?.parameters ?? model.parameters).weights.bytes;

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

export function restoreReference(folder: string, reference: ReferencePolicy | undefined): void {
  if (!reference) return;
  const file = readSafetensors(join(folder, 'reference.safetensors'));
  try { reference.keep(file.readFloat32('weights')); } finally { file.close(); }
}
