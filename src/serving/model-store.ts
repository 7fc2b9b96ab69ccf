// The models that are served, and those that are on their way. A model of a run that still trains is exchanged for the
// newest checkpoint where nobody waits for an answer, and the old one stays until those who asked it meanwhile have theirs.

import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { runsFolder } from '../home.ts';
import { latestCheckpoint, stepOf } from '../models/formats/checkpoint-folder.ts';
import { resolveTalkingModel } from '../models/model-path.ts';
import type { Engine } from './engines/engine.ts';
import type { ServedModel } from './server-state.ts';
import { weightsHash } from './weights-hash.ts';

const followEvery = 2000, retireEvery = 20, longestPause = 300_000; // ms

export class ModelStore {
  readonly models = new Map<string, ServedModel>();
  readonly loading = new Map<string, Promise<ServedModel>>();
  /** Why the last try failed. */
  readonly failures = new Map<string, string>();
  private readonly home: string;
  private readonly open: (path: string) => Promise<Engine>;
  private readonly timer: NodeJS.Timeout;
  /** When an engine that ended by itself is tried again, and how long is waited behind that. */
  private readonly revivals = new Map<string, { at: number; pause: number }>();
  private closed = false;

  constructor(home: string, open: (path: string) => Promise<Engine>) {
    this.home = home;
    this.open = open;
    this.timer = setInterval(() => { void this.follow(); }, followEvery).unref();
  }

  /** Serves a model; at once if it is there already. */
  async load(id: string, path: string = resolveTalkingModel(id, undefined, this.home)): Promise<ServedModel> {
    const there = this.models.get(id);
    if (there) return there;
    const begun = this.loading.get(id) ?? this.begin(id, path);
    return begun;
  }

  /** @param replaced what it takes the place of: if that was unloaded meanwhile, it is not served either */
  private begin(id: string, path: string, replaced?: ServedModel): Promise<ServedModel> {
    this.failures.delete(id);
    const loading = this.serve(id, path, replaced).finally(() => this.loading.delete(id));
    this.loading.set(id, loading);
    loading.catch((error: unknown) => this.failures.set(id, (error as Error).message));
    return loading;
  }

  private async serve(id: string, path: string, replaced?: ServedModel): Promise<ServedModel> {
    const created = Math.floor((statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()) / 1000), weights = weightsHash(path);
    weights.catch(() => {}); // a checkpoint may be gone before anyone asks
    let engine: Engine;
    try { engine = await this.open(path); } catch (error) {
      const newest = stepOf(path) === null || existsSync(path) ? null : newestOf(join(runsFolder(this.home), id));
      if (newest === null || newest === path) throw error;
      return this.serve(id, newest, replaced); // the run has saved again meanwhile, and this checkpoint had to go
    }
    const before = this.models.get(id);
    if (this.closed || (replaced && before !== replaced)) {
      await engine.close();
      throw new Error(this.closed ? 'the server is stopping' : 'it was unloaded meanwhile');
    }
    const served: ServedModel = { id, path, engine, created, weights, step: stepOf(path), secondsPerChoice: before?.secondsPerChoice ?? 1, speed: before?.speed ?? null };
    this.models.set(id, served);
    if (before) await this.retire(before.engine);
    return served;
  }

  /** Closes an engine that was exchanged, as soon as whoever asked it while the new one was loaded has an answer. */
  private async retire(engine: Engine): Promise<void> {
    while (engine.pending > 0 && !this.closed) await new Promise((resolve) => { setTimeout(resolve, retireEvery); });
    await engine.close();
  }

  async unload(id: string): Promise<void> {
    const served = this.models.get(id);
    this.models.delete(id);
    await served?.engine.close();
  }

  /** Opens an engine anew that has ended by itself; where that fails too, it is tried again after longer and longer pauses, and `failures` says why. */
  private async revive(served: ServedModel): Promise<void> {
    const { id, path, engine } = served, { at, pause } = this.revivals.get(id) ?? { at: 0, pause: followEvery };
    if (Date.now() < at) return;
    try {
      await this.begin(id, path, served);
      this.revivals.delete(id);
    } catch (error) {
      this.revivals.set(id, { at: Date.now() + pause, pause: Math.min(longestPause, 2 * pause) });
      this.failures.set(id, `${engine.dead}; loaded again: ${(error as Error).message}`);
    }
  }

  /** Takes newer checkpoints of runs, where nobody is being answered; and opens engines anew that have ended. */
  private async follow(): Promise<void> {
    for (const served of [...this.models.values()]) {
      const { id, path, engine, step } = served;
      if (this.models.get(id) !== served || this.loading.has(id) || this.closed) continue; // unloaded or exchanged while another was loaded
      if (engine.dead !== null) { await this.revive(served); continue; }
      if (step === null || engine.pending > 0) continue;
      const newest = newestOf(join(runsFolder(this.home), id));
      if (newest !== null && newest !== path) await this.begin(id, newest, served).catch(() => {});
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.timer);
    await Promise.allSettled(this.loading.values());
    await Promise.all([...this.models.values()].map(({ engine }) => engine.close()));
  }
}

function newestOf(run: string): string | null {
  const final = join(run, 'final');
  return statSync(join(final, 'config.json'), { throwIfNoEntry: false }) ? final : latestCheckpoint(run);
}
