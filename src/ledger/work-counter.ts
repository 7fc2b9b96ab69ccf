// Between the training loop and the ledger: adds up what is done, and hands it over as a tick with the wall clock,
// processor time and energy since the tick before. Tick every few seconds, not every step, and always before a checkpoint.
import type { EnergyReading, RunTick } from './events.ts';
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
  #readings = new Map<string, EnergyReading>();
  #told = 0;

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

  /** Joules since the last call, for a row of metrics; the next tick holds them as well. */
  joules(): number {
    this.#read();
    const told = this.#told;
    this.#told = 0;
    return told;
  }

  #read(): void {
    for (const reading of this.#energy.read()) {
      const before = this.#readings.get(reading.method);
      this.#told += reading.value ?? 0;
      const value = before && before.value !== null ? before.value + (reading.value ?? 0) : reading.value;
      const parts = before?.parts && reading.parts ? Object.fromEntries(Object.entries(reading.parts).map(([k, x]) => [k, x + (before.parts![k] ?? 0)])) : reading.parts;
      this.#readings.set(reading.method, { ...before, ...reading, value, ...(parts && { parts }) });
    }
  }

  /** All work since the last call, as a tick; counting starts again from zero. */
  take(about: Pick<RunTick, 'step' | 'phase' | 'stage' | 'reward'> & { loss?: number | null }): RunTick {
    this.#read();
    const at = { wall: this.#now(), cpu: processCpuSeconds() };
    const tick: RunTick = {
      ...about, loss: about.loss ?? null, tokens: this.#tokens, flop: this.#flop,
      seconds: at.wall - this.#since.wall, cpu_seconds: at.cpu - this.#since.cpu, joules: [...this.#readings.values()],
    };
    this.#tokens = { trained: 0, sampled: 0 };
    this.#flop = { model: 0, recompute: 0, sampling: 0 };
    this.#readings = new Map();
    this.#since = at;
    return tick;
  }
}
