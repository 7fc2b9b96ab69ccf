// Rows of a data file: .jsonl, .json (an array) or .parquet.

import { readFileSync } from 'node:fs';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { TiefsucheError } from '../errors.ts';
import { withConsent } from './consent.ts';

export async function readRows(path: string): Promise<Record<string, unknown>[]> {
  return withConsent(await rowsOf(path), path);
}

async function rowsOf(path: string): Promise<Record<string, unknown>[]> {
  try {
    if (path.endsWith('.parquet')) return await parquetReadObjects({ file: await asyncBufferFromFile(path) });
    const text = readFileSync(path, 'utf8');
    if (path.endsWith('.json')) return JSON.parse(text) as Record<string, unknown>[];
    return text.split('\n').map((line, i) => ({ line, i })).filter(({ line }) => line.trim() !== '').map(({ line, i }) => {
      try { return JSON.parse(line) as Record<string, unknown>; } catch (cause) {
        throw new TiefsucheError('INPUT', `${path}, line ${i + 1} is not JSON: ${(cause as Error).message}`, { cause });
      }
    });
  } catch (cause) {
    if (cause instanceof TiefsucheError) throw cause;
    throw new TiefsucheError('INPUT', `${path} cannot be read: ${(cause as Error).message}`, { cause, hint: 'Known forms: .jsonl, .json (an array of objects), .parquet.' });
  }
}
