// What an energy meter is: something that tells how many joules passed since it was last asked. One file per meter; a
// meter that cannot work here says why, and that reason is shown and recorded. Nothing falls back in silence.
import type { Joules } from '../../units.ts';
import type { Grade } from '../events.ts';

export interface MeterReading {
  /** Joules since the previous reading. Null: it failed this time; `note` says why. */
  joules: Joules | null;
  /** Joules by domain, when there are several. */
  parts?: Record<string, number>;
  note?: string;
}

export interface Meter {
  readonly name: string;
  readonly grade: Grade;
  /** What is inside the number, and what is not. */
  readonly covers: string;
  /** How the number comes about. */
  readonly formula: string;
  read(): MeterReading;
  close(): void;
}

/** A meter ready to be read, or why there is none. */
export type MeterProbe = { meter: Meter } | { name: string; reason: string };
