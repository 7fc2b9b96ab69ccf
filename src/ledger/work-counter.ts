// Between the training loop and the ledger: adds up what is done, and hands it over as a tick with the wall clock,
// processor time and energy since the tick before. Tick every few seconds, not every step, and always before a checkpoint.
import type { RunTick } from './events.ts';
import { processCpuSeconds } from './meters/cpu-time.ts';
import type { EnergyMeter } from './meters/index.ts';

export interface Work {
  /** Tokens through a forward and backward pass, and tokens generated. */
  trained?: number;
  sampled?: number;
  flop?: Partial<RunTick['flop']>;
}

export class WorkCounter {
  readonly #energy: EnergyMeter;
  readonly #now: () => number;
  #tokens = { trained: 0, sampled: 0 };
  #flop = { model: 0, recompute: 0, sampling: 0 };
  #since: { wall: number; cpu: number };

  /** @param now seconds of a clock that never goes back */
  constructor(energy: EnergyMeter, now: () => number = () => performance.now() / 1000) {
    this.#energy = energy;
    this.#now = now;
    this.#since = { wall: now(), cpu: processCpuSeconds() };
  }

  /** Seconds since the last tick. */
  get seconds(): number { return this.#now() - this.#since.wall; }

  add({ trained = 0, sampled = 0, flop = {} }: Work): void {
    this.#tokens.trained += trained;
    this.#tokens.sampled += sampled;
    this.#flop.model += flop.model ?? 0;
    this.#flop.recompute += flop.recompute ?? 0;
    this.#flop.sampling += flop.sampling ?? 0;
  }

  /** All work since the last call, as a tick; counting starts again from zero. */
  take(about: Pick<RunTick, 'step' | 'phase' | 'stage' | 'reward'> & { loss?: number | null }): RunTick {
    const at = { wall: this.#now(), cpu: processCpuSeconds() };
    const tick: RunTick = {
      ...about, loss: about.loss ?? null, tokens: this.#tokens, flop: this.#flop,
      seconds: at.wall - this.#since.wall, cpu_seconds: at.cpu - this.#since.cpu, joules: this.#energy.read(),
    };
    this.#tokens = { trained: 0, sampled: 0 };
    this.#flop = { model: 0, recompute: 0, sampling: 0 };
    this.#since = at;
    return tick;
  }
}
