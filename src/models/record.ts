// What is known of a model that was pulled or added: source.json in its folder. Where it came from, exactly which version,
// under which licence, and the SHA-256 of every file; written before the folder gets its name.

import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';

export const recordFile = 'source.json';

const recordSchema = z.looseObject({
  /** The reference in its plain form: hf:OWNER/NAME, pypi:NAME, an address, a path. */
  source: z.string(),
  /** A commit, a version, an ETag; null where there is none. */
  revision: z.string().nullable(),
  /** Null: nobody said. */
  licence: z.string().nullable(),
  added: z.string(),
  files: z.array(z.object({ name: z.string(), bytes: z.int(), sha256: z.string() })),
});

export type ModelRecord = z.infer<typeof recordSchema>;

/** The record of a model folder, or of the folder a model file lies in; null where there is none that can be read. */
export function readRecord(path: string): ModelRecord | null {
  const file = join(path.endsWith('.gguf') ? dirname(path) : path, recordFile);
  if (!existsSync(file)) return null;
  try {
    const record = recordSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
    return path.endsWith('.gguf') && !record.files.some((f) => f.name === basename(path)) ? null : record;
  } catch {
    return null;
  }
}
