// What the studio says of the models that are here: loaded or not, from what they were made, whether they fit, how fast
// they would be: counted and estimated as `tiefsuche models add` does (reasoning/fit.ts).

import { z } from 'zod';
import { freeMemory } from '../../free-memory.ts';
import { runsFolder } from '../../home.ts';
import { stepOf } from '../../models/formats/checkpoint-folder.ts';
import { listCheckpointModels, listModels } from '../../models/list-models.ts';
import type { FitOptions } from '../../reasoning/fit.ts';
import { measuredBandwidth } from '../../reasoning/measured-bandwidth.ts';
import type { RunSample } from '../../runs/run-samples.ts';
import { type Readable, readableModel } from '../readable-model.ts';
import type { ServerState } from '../server-state.ts';

export const shelfModelSchema = z.object({
  id: z.string(), from: z.enum(['run', 'checkpoint', 'file']),
  state: z.enum(['here', 'loading', 'loaded', 'failed', 'unreadable']),
  error: z.string().nullable(),
  step: z.int().nullable().describe('Of the checkpoint that is loaded or would be.'),
  made_from: z.string().nullable().describe('Why its run was trained.'),
  type: z.string().nullable(), parameters: z.int().nullable(), bytes: z.int().nullable(), context: z.int().nullable(), licence: z.string().nullable(),
  bytes_needed: z.int().nullable(), fits: z.boolean().nullable(),
  tokens_per_second: z.number().nullable(), speed_from: z.enum(['measured', 'bandwidth']).nullable(),
  thinks: z.boolean().nullable(), single_turn: z.boolean().nullable().describe('Each question stands alone.'), examples: z.array(z.string()).describe('Problems of the kind it learned.'), engine: z.string().nullable(), weights_sha256: z.string().nullable().describe('Of the weights on disk; told of models that are loaded, once it is known.'),
}).meta({ id: 'ShelfModel' });

export type ShelfModel = z.output<typeof shelfModelSchema>;

const smallestJudged = 32 * 2 ** 20; // smaller weights live in the processor's caches, where this bound says nothing

/** How this server holds weights, keys and values. */
type Held = Pick<FitOptions, 'precision' | 'cache'>;

const facts = new Map<string, { readonly held: Held; readonly known: Readable | string }>();

/** Headers do not change under a name; a model that is replaced gets a new path or a new server. */
function factsOf(path: string, held: Held): Readable | string {
  const kept = facts.get(path);
  if (kept?.held === held) return kept.known;
  let known: Readable | string;
  try { known = readableModel(path, held); } catch (error) { known = (error as Error).message; }
  facts.set(path, { held, known });
  return known;
}

export const forgetFacts = (path: string): boolean => facts.delete(path);

/** What stands on the shelf, without a look into the files. */
export function onShelf({ home, store }: ServerState): { readonly id: string; readonly path: string; readonly from: ShelfModel['from'] }[] {
  const here = [...listModels(home).map(({ name, path, from }) => ({ id: name, path, from })), ...listCheckpointModels(home).map(({ name, path }) => ({ id: name, path, from: 'checkpoint' as const }))];
  const elsewhere = [...store.models.values()].filter((m) => !here.some((h) => h.id === m.id)).map(({ id, path }) => ({ id, path, from: 'file' as const }));
  return [...here, ...elsewhere];
}

export async function shelf(state: ServerState): Promise<ShelfModel[]> {
  const { home, store, runs, held } = state, reports = new Map(runs.list().map((r) => [r.name, r])), bandwidth = await measuredBandwidth(home), free = freeMemory();
  return Promise.all(onShelf(state).map(async ({ id, path, from }): Promise<ShelfModel> => {
    const served = store.models.get(id), told = factsOf(path, held), known = typeof told === 'string' ? null : told, failure = store.failures.get(id) ?? null;
    const state = store.loading.has(id) && !served ? 'loading' : served ? 'loaded' : failure !== null ? 'failed' : known ? 'here' : 'unreadable';
    const needed = known?.totalBytes ?? null;
    const guessed = known && known.bytes >= smallestJudged ? bandwidth / known.bytesPerToken : null;
    const ofRun = path.startsWith(runsFolder(home)) ? reports.get(id) : undefined;
    return {
      id, from, state, error: failure ?? (typeof told === 'string' ? told : null), step: served?.step ?? stepOf(path), made_from: ofRun?.why || null,
      type: known?.type ?? null, parameters: known?.parameters ?? null, bytes: known?.bytes ?? null, context: served?.engine.description.context ?? known?.context ?? null, licence: known?.licence ?? null,
      bytes_needed: needed, fits: needed === null ? null : served !== undefined || needed < free,
      tokens_per_second: served?.speed ?? guessed, speed_from: served?.speed ? 'measured' : guessed === null ? null : 'bandwidth',
      thinks: served?.engine.description.thinks ?? null, single_turn: served?.engine.description.singleTurn ?? null, examples: ofRun ? examplesOf(runs.samples(id)) : [], engine: served?.engine.description.engine ?? null, weights_sha256: served ? await soFar(served.weights) : null,
    };
  }));
}

/** What a promise has come to by now: the list does not wait until gigabytes are hashed. */
const soFar = (hash: Promise<string>): Promise<string | null> => Promise.race([hash.catch(() => null), new Promise<null>((resolve) => { setImmediate(() => resolve(null)); })]);

/** One problem of each family, and one more of each if there are few. */
function examplesOf(samples: readonly RunSample[]): string[] {
  const shown = samples.at(-1)?.shown ?? [], first = shown.filter((s, i) => shown.findIndex((other) => other.task === s.task) === i);
  return [...new Set([...first, ...shown].map((s) => s.prompt))].slice(0, 6);
}
