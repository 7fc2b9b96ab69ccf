// A process of its own: scores sampled tokens by the forward pass that training uses. Reads a file of rollouts, shuffles
// and packs the rows anew, and prints every log-probability whose 32 bits differ from the sampled one.
//   node --import tsx exactness-rows.ts ROLLOUTS.json BATCH THREADS [SEED]

import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import type { Backend } from '../src/engine/backend.ts';
import { CpuBackend } from '../src/engine/backends/cpu/cpu.ts';
import { Arena, execute, read } from '../src/engine/program.ts';
import { RandomStream } from '../src/engine/random.ts';
import { Tape } from '../src/engine/tape.ts';
import type { ConfigJson } from '../src/models/config.ts';
import { recordLoss } from '../src/models/loss.ts';
import { Model } from '../src/models/model.ts';
import { type Example, packBatches, targetCount } from '../src/training/batches.ts';

export interface Rollouts {
  readonly config: ConfigJson;
  readonly lora: boolean;
  readonly seed: number;
  readonly temperature: number;
  readonly rows: readonly { readonly prompt: number[]; readonly tokens: number[]; /** The 32 bits of each log-probability. */ readonly bits: number[]; readonly support: number[][] | null }[];
}

/** The model of a file of rollouts, with its weights drawn from the seed; adapters are random in both factors. */
export function rolloutModel(backend: Backend, { config, lora, seed }: Pick<Rollouts, 'config' | 'lora' | 'seed'>): Model {
  const model = new Model(backend, config, { trainable: true, ...(lora && { lora: { rank: 4, alpha: 8 } }) });
  for (const parameters of [model.parameters, ...(model.lora ? [model.lora.parameters] : [])]) for (const [i, spec] of parameters.specs.entries()) {
    const random = new RandomStream(seed + (parameters === model.parameters ? 0 : 1), i), n = spec.shape.reduce((a, b) => a * b, 1);
    const std = spec.kind === 'vector' ? 0.2 : spec.kind === 'buffer' ? 0.1 : 1.6 / Math.sqrt(spec.shape.at(-1)!), base = spec.kind === 'vector' ? 1 : 0;
    parameters.write(spec.name, Float32Array.from({ length: n }, () => base + std * 1.7 * (2 * random.uniform() - 1)));
  }
  return model;
}

export const bitsOf = (values: Float32Array): number[] => [...new Uint32Array(values.buffer, values.byteOffset, values.length)];

/** Scores all rows in a shuffled order, `batch` sequences at a time; returns how many tokens were compared and how many differ. */
export async function compareRows(model: Model, { rows, temperature }: Rollouts, batch: number, seed: number): Promise<{ tokens: number; different: number }> {
  const order = new RandomStream(seed, batch).shuffle([...rows.keys()]), arena = new Arena(model.backend);
  let tokens = 0, different = 0;
  for (let from = 0; from < order.length; from += batch) {
    const chosen = order.slice(from, from + batch).map((i) => rows[i]!);
    const examples = chosen.map(({ prompt, tokens: sampled, support }): Example =>
      ({ ids: Int32Array.from([...prompt, ...sampled]), from: prompt.length, support: support?.map((s) => Int32Array.from(s)) ?? null }));
    const [packed] = packBatches(examples, { coefficient: 1 / examples.reduce((n, e) => n + targetCount(e), 0), limits: { tokens: Infinity }, temperature });
    const tape = new Tape({ training: true }), recorded = recordLoss(tape, model, packed!);
    tape.backward();
    const program = tape.finish(arena);
    await execute(program);
    const got = bitsOf(read(program, recorded.logp)), expected = chosen.flatMap((r) => r.bits);
    tokens += expected.length;
    expected.forEach((bits, i) => { if (bits !== got[i]) different++; });
  }
  arena.close();
  return { tokens, different };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [path, batch, threads, seed = '1'] = process.argv.slice(2), backend = new CpuBackend();
  backend.setThreads(Number(threads));
  const rollouts = JSON.parse(readFileSync(path!, 'utf8')) as Rollouts;
  console.log(JSON.stringify(await compareRows(rolloutModel(backend, rollouts), rollouts, Number(batch), Number(seed))));
}
