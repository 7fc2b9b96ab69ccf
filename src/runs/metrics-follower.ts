// Reads metrics.jsonl while it grows: each call parses only what is new. A file that was replaced (a resume drops the rows
// behind its checkpoint in one rename) or became shorter is read again from its beginning, under a new generation.

import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import type { MetricsRow } from './run-folder-metrics.ts';

export class MetricsFollower {
  /** Changes when rows that were read before no longer count. */
  generation = '';
  readonly rows: MetricsRow[] = [];
  private readonly path: string;
  private offset = 0;

  constructor(path: string) { this.path = path; }

  /** Takes in what was written since the last call. */
  read(): readonly MetricsRow[] {
    if (!existsSync(this.path)) {
      this.rows.length = this.offset = 0;
      return this.rows;
    }
    const file = openSync(this.path, 'r');
    try {
      const { size, ino, birthtimeMs } = fstatSync(file), generation = `${ino}.${Math.round(birthtimeMs)}`;
      if (generation !== this.generation || size < this.offset) {
        this.generation = generation;
        this.rows.length = this.offset = 0;
      }
      const bytes = Buffer.alloc(size - this.offset);
      readSync(file, bytes, 0, bytes.length, this.offset);
      const whole = bytes.lastIndexOf(10) + 1; // the row that is being written just now waits
      for (const line of bytes.toString('utf8', 0, whole).split('\n')) this.take(line);
      this.offset += whole;
    } finally {
      closeSync(file);
    }
    return this.rows;
  }

  private take(line: string): void {
    if (line === '') return;
    try {
      const row = JSON.parse(line) as MetricsRow;
      if (Number.isInteger(row.step) && row.step > (this.rows.at(-1)?.step ?? -1)) this.rows.push(row);
    } catch { /* a torn row: the next attempt drops it */ }
  }
}
