// metrics.jsonl: one JSON row per step, each step once and in order. After a crash the rows behind the checkpoint that
// training continues from are removed in one rename; their cost stands in the ledger. Readers may follow the file live.
import { closeSync, existsSync, fstatSync, fsyncSync, ftruncateSync, openSync, readFileSync, readSync } from 'node:fs';
import { diskError, writeFileAtomic, writeFully } from '../durable-file.ts';
import { invariant } from '../errors.ts';

export type MetricsValue = number | string | boolean | null | MetricsValue[] | { [key: string]: MetricsValue };
/** `step` counts through all stages from 1; 0 is before training. Numbers that are not finite are written as null. */
export interface MetricsRow { step: number; [key: string]: MetricsValue }

/** Columns that differ between two runs of the same computation; everything else must be equal after a resume or replay. */
export const timeColumns: readonly string[] = ['time', 'seconds', 'cpu_seconds', 'tokens_per_s', 'flop_per_s', 'joules', 'attempt'];

/** Rows without their time, speed and energy columns, for comparing runs. */
export function withoutTime(row: MetricsRow): MetricsRow {
  return Object.fromEntries(Object.entries(row).filter(([key]) => !timeColumns.includes(key))) as MetricsRow;
}

/** All whole rows; a row that is being written just now is left out. */
export function readMetrics(path: string): MetricsRow[] {
  if (!existsSync(path)) return [];
  return wholeRows(readFileSync(path, 'utf8')).map(({ row }) => row);
}

/** Last step written, or null; reads only the end of the file. */
export function lastMetricsStep(path: string): number | null {
  if (!existsSync(path)) return null;
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const tail = Buffer.alloc(Math.min(size, 1 << 16));
    readSync(file, tail, 0, tail.length, size - tail.length);
    return wholeRows(tail.toString('utf8')).at(-1)?.row.step ?? null;
  } finally {
    closeSync(file);
  }
}

/** Appends rows; one writer, who holds the run's lock. */
export class MetricsFile {
  readonly #path: string;
  readonly #file: number;
  #last: number;

  private constructor(path: string, last: number) {
    this.#path = path;
    this.#last = last;
    try {
      this.#file = openSync(path, 'a');
    } catch (error) {
      throw diskError(error, path);
    }
  }

  /**
   * Opens the file for steps after `resumedStep` (none: -1, an empty file) and says how many rows behind it were dropped.
   * Torn ends and foreign lines go, too.
   */
  static open(path: string, resumedStep = -1): { metrics: MetricsFile; dropped: number } {
    const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
    const rows = wholeRows(text);
    const kept = rows.filter(({ row }) => row.step <= resumedStep);
    const content = kept.map(({ line }) => `${line}\n`).join('');
    if (content !== text) writeFileAtomic(path, content);
    return { metrics: new MetricsFile(path, kept.at(-1)?.row.step ?? -1), dropped: rows.length - kept.length };
  }

  append(row: MetricsRow): void {
    invariant(Number.isInteger(row.step) && row.step > this.#last, `metrics of step ${row.step} after those of step ${this.#last}`);
    const size = fstatSync(this.#file).size;
    try {
      writeFully(this.#file, Buffer.from(`${JSON.stringify(row)}\n`));
    } catch (error) {
      ftruncateSync(this.#file, size);
      throw diskError(error, this.#path);
    }
    this.#last = row.step;
  }

  /** Makes all rows survive a power cut; call it before a checkpoint counts as saved. */
  flush(): void {
    fsyncSync(this.#file);
  }

  close(): void {
    this.flush();
    closeSync(this.#file);
  }
}

// Whole, readable, and each step once: the first row of a step counts.
function wholeRows(text: string): { line: string; row: MetricsRow }[] {
  const rows: { line: string; row: MetricsRow }[] = [];
  for (const line of text.slice(0, text.lastIndexOf('\n') + 1).split('\n')) {
    if (line === '') continue;
    try {
      const row = JSON.parse(line) as MetricsRow;
      if (Number.isInteger(row?.step) && row.step > (rows.at(-1)?.row.step ?? -1)) rows.push({ line, row });
    } catch {
      continue;
    }
  }
  return rows;
}
