// The two ways a file can be refused: it breaks its format (FORMAT), or it is fine but we cannot use it (UNSUPPORTED).
// Both name the file, what is wrong in it, and what the user can do.

import { TiefsucheError } from '../../errors.ts';

const brokenHint = 'The file is damaged, incomplete or not what its name says: fetch or export it again and compare its size and hash.';

/** A file that breaks the rules of its format. */
export function formatError(path: string, what: string, hint: string = brokenHint, cause?: unknown): TiefsucheError {
  return new TiefsucheError('FORMAT', `${path}: ${what}`, cause === undefined ? { hint } : { hint, cause });
}

/** A well-formed file that needs something we do not have. */
export function unsupportedError(path: string, what: string, hint: string): TiefsucheError {
  return new TiefsucheError('UNSUPPORTED', `${path}: ${what}`, { hint });
}

/** Shows a name or value from an untrusted file in a message: escaped, and never longer than some 80 characters. */
export function quoted(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 70 ? `${value.slice(0, 70)}...` : value);
  if (typeof value === 'object' && value !== null) return Array.isArray(value) || ArrayBuffer.isView(value) ? 'a list' : 'an object';
  return value === undefined ? 'nothing' : String(value);
}
