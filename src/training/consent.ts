// What people said to a model becomes training data only with their consent: rows that come from conversations (`origin`:
// tiefsuche-feedback) must name their author and when and where consent was given.

import { TiefsucheError } from '../errors.ts';

const filled = (value: unknown): boolean => typeof value === 'string' && value !== '';

/** Refuses a row that comes from a conversation without consent. @param where names it, as "a.jsonl, line 3" */
export function checkConsent(row: Readonly<Record<string, unknown>>, where: string): void {
  if (row['origin'] !== 'tiefsuche-feedback') return;
  const { given, conversation } = (row['consent'] ?? {}) as Record<string, unknown>;
  if (filled(row['author']) && filled(given) && filled(conversation) && !Number.isNaN(Date.parse(String(given)))) return;
  throw new TiefsucheError('INPUT', `${where} comes from a conversation and has no consent of its author`, { hint: 'Collect the file anew in the studio: it holds only what people agreed to.' });
}
