// A finished run for a cluster: its model as a Hugging Face folder, what the other side reads, a script that starts it
// there, and handover.json, by which `tiefsuche import` knows what came back. A new side is a file and a line in `sides`.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFolderAtomic } from '../../durable-file.ts';
import { exportFolder } from '../../models/export-folder.ts';
import { openExportSource } from '../../models/export-source.ts';
import { hashFolder } from '../../runs/run-folder-checkpoints.ts';
import type { RunFolder } from '../../runs/run-folder.ts';
import type { TrainingRecipe } from '../recipe-parts.ts';
import { trl } from './trl.ts';
import { vllm } from './vllm.ts';

export interface Handover {
  readonly run: RunFolder;
  readonly recipe: TrainingRecipe;
  /** Where relative paths of the recipe start. */
  readonly recipeFolder: string;
  readonly nodes: number;
  /** On each node; 0: processors alone. */
  readonly gpus: number;
  /** Processes a node where there are no GPUs. */
  readonly processes: number;
  /** Steps to train there; those of the recipe by default. */
  readonly steps?: number | undefined;
  /** Which stage: the last of this method; by default the last that the other side knows. */
  readonly method?: string | undefined;
}

/** What was written: of which method of training, if it is about training, and lines for the README. */
export interface Written { readonly method?: string; readonly readme: readonly string[] }

export interface Side {
  readonly name: string;
  /** Writes its files into the folder that holds model/ already. */
  write(handover: Handover, place: string): Promise<Written>;
}

export const sides: readonly Side[] = [trl, vllm];

/** What handover.json says. */
export const handedSchema = z.strictObject({
  to: z.string(), run: z.string(), run_id: z.string(), nodes: z.int().min(1), gpus_per_node: z.int().min(0), processes: z.int().min(1),
  /** How it is trained there; its settings are METHOD.yaml. */
  method: z.string().regex(/^[a-z]+$/).default('sft'),
  /** Files of model/ and their hashes, and the hash of all. */
  model: z.strictObject({ sha256: z.string(), files: z.record(z.string(), z.string()) }),
});

export async function handOver(handover: Handover, side: Side, out: string): Promise<void> {
  const { run, nodes, gpus, processes } = handover;
  await writeFolderAtomic(out, async (place) => {
    const source = openExportSource(run.final);
    try { await exportFolder(source, join(place, 'model'), 'F32'); } finally { source.close(); }
    const { method, readme } = await side.write(handover, place), { sha256, files } = await hashFolder(join(place, 'model'));
    const handed: z.input<typeof handedSchema> = { to: side.name, run: run.name, run_id: run.id, nodes, gpus_per_node: gpus, processes, ...(method !== undefined && { method }), model: { sha256, files: Object.fromEntries(Object.entries(files).map(([name, file]) => [name, file.sha256])) } };
    writeFileSync(join(place, 'handover.json'), `${JSON.stringify(handed, null, 1)}\n`);
    writeFileSync(join(place, 'README.md'), [`# ${run.name}, handed over to ${side.name}`, '', `Made by tiefsuche from the run \`${run.name}\` (${run.id}). Copy this folder to where all nodes see it.`, '', ...readme, ''].join('\n'));
  });
}
