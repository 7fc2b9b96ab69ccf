// A file as the texts it holds: plain text, whose documents are separated by three or more empty lines, or rows with a `text`.

import { readFileSync } from 'node:fs';
import { TiefsucheError } from '../errors.ts';
import { type Row, placedRows, requireDataFile } from './rows-file.ts';

/** @param path of .jsonl, .json, .parquet; anything else is plain text */
export async function readDocuments(path: string): Promise<string[]> {
  requireDataFile(path);
  const documents = /\.(jsonl?|parquet)$/.test(path) ? (await placedRows(path)).map(({ where, get }) => textOf(get(), where)) : readFileSync(path, 'utf8').split(/\n{4,}/);
  if (documents.every((text) => text.trim() === '')) throw new TiefsucheError('INPUT', `${path} has no text`);
  return documents;
}

function textOf(row: Row, where: string): string {
  if (typeof row['text'] === 'string') return row['text'];
  throw new TiefsucheError('INPUT', `${where} has no text (keys: ${Object.keys(row).join(', ')})`, { hint: 'Rows {"text": "…"} are read; conversations and questions are trained by the method sft.' });
}
