// One text on its way to a vector: a sequence that chooses nothing. Its states come from our engine piece by piece; a
// vector that another engine has pooled comes at once.

import type { Pooled } from '../../models/pooling.ts';
import type { Sequence } from './batch.ts';
import type { CutShort } from './engine.ts';

export class Embedding implements Sequence {
  readonly ids: number[];
  done = false;
  joules: number | null = 0;
  cutShort: CutShort | undefined;
  vector: Float32Array = new Float32Array();
  private readonly pooled: Pooled;
  private read = 0;

  constructor(ids: readonly number[], pooled: Pooled) {
    this.ids = [...ids];
    this.pooled = pooled;
  }

  /** Put back for want of room, it is read again from the beginning. */
  begun(): void {
    this.read = 0;
    this.pooled.clear();
  }

  choose(): void {}

  readonly take = (states: Float32Array): void => {
    this.pooled.add(states);
    this.read += states.length / this.pooled.channels;
    if (this.read >= this.ids.length) this.finish(this.pooled.vector());
  };

  finish(vector: Float32Array): void {
    this.vector = vector;
    this.done = true;
  }

  cut(reason: CutShort): void {
    if (this.done) return;
    this.cutShort = reason;
    this.done = true;
  }
}
