// Rows of a data file: .jsonl, .json (an array) or .parquet. Each is an object; one from a conversation has its author's consent.

import { existsSync, readFileSync } from 'node:fs';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { TiefsucheError } from '../errors.ts';
import { checkConsent } from './consent.ts';

export type Row = Record<string, unknown>;

/** A row where it stands ("a.jsonl, line 3"): read by `get`, which throws what is wrong with it. */
export interface PlacedRow { readonly where: string; readonly get: () => Row }

/** @throws NOT_FOUND where a recipe names a file that is not there */
export function requireDataFile(path: string): void {
  if (!existsSync(path)) throw new TiefsucheError('NOT_FOUND', `there is no data file ${path}`, { hint: 'Paths in a recipe start from the folder of the recipe.' });
}

/** All rows of a file, the first that is wrong refused. */
export async function readRows(path: string): Promise<Row[]> {
  return (await placedRows(path)).map(({ get }) => get());
}

/** All rows of a file, none read yet: so that one can go on behind a bad one. */
export async function placedRows(path: string): Promise<PlacedRow[]> {
  try {
    if (path.endsWith('.parquet')) return listed(path, await parquetReadObjects({ file: await asyncBufferFromFile(path) }));
    const text = readFileSync(path, 'utf8');
    if (!path.endsWith('.json')) return text.split('\n').flatMap((line, i) => (line.trim() === '' ? [] : [placed(`${path}, line ${i + 1}`, () => JSON.parse(line))]));
    const whole: unknown = JSON.parse(text);
    if (!Array.isArray(whole)) throw new Error('it is not an array');
    return listed(path, whole);
  } catch (cause) {
    throw new TiefsucheError('INPUT', `${path} cannot be read: ${(cause as Error).message}`, { cause, hint: 'Known forms: .jsonl, .json (an array of objects), .parquet.' });
  }
}

const listed = (path: string, rows: readonly unknown[]): PlacedRow[] => rows.map((row, i) => placed(`${path}, row ${i + 1}`, () => row));

function placed(where: string, read: () => unknown): PlacedRow {
  return {
    where,
    get() {
      let row: unknown;
      try { row = read(); } catch (cause) { throw new TiefsucheError('INPUT', `${where} is not JSON: ${(cause as Error).message}`, { cause }); }
      if (typeof row !== 'object' || row === null || Array.isArray(row)) throw new TiefsucheError('INPUT', `${where} is ${row === null ? 'null' : Array.isArray(row) ? 'an array' : `a ${typeof row}`}, not an object`, { hint: 'A row is an object, such as {"prompt": "…", "completion": "…"}.' });
      checkConsent(row as Row, where);
      return row as Row;
    },
  };
}
