// While a run trains on this machine, answers leave it most of the time: after a step that took t, an engine rests for
// t (1 / share − 1). The trainer's low priority alone does not do that: whoever decodes without a pause takes nine tenths
// of a processor from a neighbour at nice 10. No rest is longer than a tenth of a second, so that streams flow on
// while a long prompt is read.

import { setTimeout as pause } from 'node:timers/promises';

const longest = 0.1; // s

export class Pace {
  private readonly share: number;
  private owed = 0; // s; timers know whole milliseconds

  /** @param share of the time that may be computed, 0 … 1 */
  constructor(share: number) { this.share = share; }

  /** @returns whether it rested */
  async after(seconds: number): Promise<boolean> {
    this.owed = Math.min(longest, this.owed + seconds * (1 / this.share - 1));
    if (this.owed < 0.001) return false;
    const begun = performance.now();
    await pause(this.owed * 1000);
    this.owed = Math.max(-longest, this.owed - (performance.now() - begun) / 1000);
    return true;
  }
}
