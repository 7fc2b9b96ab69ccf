// One spelling per value (RFC 8785) and one hash per spelling, so that two programs agree on what a record's bytes are.
import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { TiefsucheError } from '../errors.ts';
import { sha256, type Sha256 } from '../units.ts';

/** The canonical JSON text of a plain value; NaN, infinities and undefined have none and are refused. */
export function canonicalJson(value: unknown): string {
  let text: string | undefined;
  try {
    text = canonicalize(value);
  } catch (error) {
    throw new TiefsucheError('LEDGER', `a record holds a value that JSON cannot write: ${(error as Error).message}`, { cause: error });
  }
  if (text === undefined) throw new TiefsucheError('LEDGER', 'a record without a value cannot be written');
  return text;
}

export function hashOf(data: string | Uint8Array): Sha256 {
  return sha256(createHash('sha256').update(data).digest('hex'));
}
