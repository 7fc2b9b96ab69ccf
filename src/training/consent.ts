// What people said to a model becomes training data only with their consent: rows that come from conversations (`origin`:
// tiefsuche-feedback) must name their author and when and where consent was given.

import { TiefsucheError } from '../errors.ts';

const filled = (value: unknown): boolean => typeof value === 'string' && value !== '';

/** Passes rows on, or refuses the file for the first row without consent. */
export function withConsent(rows: Record<string, unknown>[], path: string): Record<string, unknown>[] {
  for (const [i, row] of rows.entries()) {
    if (row?.['origin'] !== 'tiefsuche-feedback') continue;
    const { given, conversation } = (row['consent'] ?? {}) as Record<string, unknown>;
    if (filled(row['author']) && filled(given) && filled(conversation) && !Number.isNaN(Date.parse(String(given)))) continue;
    throw new TiefsucheError('INPUT', `${path}, row ${i + 1} comes from a conversation and has no consent of its author`, { hint: 'Collect the file anew in the studio: it holds only what people agreed to.' });
  }
  return rows;
}
