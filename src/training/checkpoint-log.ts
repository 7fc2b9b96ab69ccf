// checkpoints.jsonl in a run's folder: the hash of every checkpoint of its recipe, in order, also of those that were
// removed since, and of the final model. A replay must come to the same ones.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../durable-file.ts';
import { TiefsucheError } from '../errors.ts';
import type { Checkpoint } from '../runs/run-folder-checkpoints.ts';
import type { RunFolder } from '../runs/run-folder.ts';

export interface LoggedCheckpoint {
  readonly what: 'checkpoint' | 'final';
  readonly step: number;
  readonly sha256: string;
  /** SHA-256 of each file. */
  readonly files: Readonly<Record<string, string>>;
}

const pathOf = (run: Pick<RunFolder, 'path'>): string => join(run.path, 'checkpoints.jsonl');

export function readCheckpointLog(run: Pick<RunFolder, 'path'>): LoggedCheckpoint[] {
  const path = pathOf(run);
  if (!existsSync(path)) return [];
  try {
    return readFileSync(path, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line) as LoggedCheckpoint);
  } catch (cause) {
    throw new TiefsucheError('CHECKPOINT', `${path} cannot be read: ${(cause as Error).message}`, { cause, hint: 'The hashes of this run are lost; its checkpoints are not. Move the file away to go on.' });
  }
}

/** Enters a checkpoint, unless it is there: a run may be killed between saving and logging, or save a step once more. */
export function logCheckpoint(run: Pick<RunFolder, 'path'>, { what, step, sha256, files }: Pick<LoggedCheckpoint, 'what'> & Pick<Checkpoint, 'step' | 'sha256' | 'files'>): void {
  const known = readCheckpointLog(run);
  if (known.some((c) => c.what === what && c.step === step && c.sha256 === sha256)) return;
  const entry: LoggedCheckpoint = { what, step, sha256, files: Object.fromEntries(Object.entries(files).map(([name, f]) => [name, f.sha256])) };
  writeFileAtomic(pathOf(run), [...known, entry].map((c) => `${JSON.stringify(c)}\n`).join(''));
}
