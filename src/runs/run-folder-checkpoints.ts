// Checkpoints of a run: checkpoints/step-00000120/, written under a temporary name, flushed and renamed, so that one is
// there whole or not at all. checkpoint.json inside holds the hash of every file; their common hash names the checkpoint
// in the ledger, and depends on the files alone, so that a replay can be compared. The last ones and the best are kept.
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { writeFileAtomic, writeFolderAtomic } from '../durable-file.ts';
import { TiefsucheError } from '../errors.ts';
import { hashOfFile } from '../file-hash.ts';
import { canonicalJson, hashOf } from '../ledger/canonical.ts';
import { sha256, type Sha256 } from '../units.ts';

export interface Checkpoint {
  step: number;
  path: string;
  /** Higher is better; null: not evaluated. */
  score: number | null;
  /** Over the names and hashes of all files. */
  sha256: Sha256;
  files: Record<string, { bytes: number; sha256: string }>;
}

export interface Retention {
  /** How many of the latest to keep. */
  last: number;
  /** Keep the one with the best score, too. */
  best: boolean;
}

const manifestName = 'checkpoint.json';

/** Saves one checkpoint; `fill` writes its files into the folder it is given. */
export async function saveCheckpoint(folder: string, step: number, fill: (folder: string) => void | Promise<void>, score: number | null = null): Promise<Checkpoint> {
  const path = join(folder, `step-${String(step).padStart(8, '0')}`);
  let saved: Omit<Checkpoint, 'path'> | undefined;
  await writeFolderAtomic(path, async (temporary) => {
    await fill(temporary);
    const files = await hashFiles(temporary);
    saved = { step, score, sha256: commonHash(files), files };
    writeFileAtomic(join(temporary, manifestName), `${JSON.stringify(saved, null, 1)}\n`);
  });
  return { ...saved!, path };
}

/** Hashes of any folder, as those of a checkpoint. */
export async function hashFolder(folder: string): Promise<Pick<Checkpoint, 'sha256' | 'files'>> {
  const files = await hashFiles(folder);
  return { sha256: commonHash(files), files };
}

/** All whole checkpoints, by step. */
export function listCheckpoints(folder: string): Checkpoint[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => /^step-\d+$/.test(name)).sort().flatMap((name) => {
    const path = join(folder, name);
    try {
      return [{ ...(JSON.parse(readFileSync(join(path, manifestName), 'utf8')) as Omit<Checkpoint, 'path'>), path }];
    } catch {
      return [];
    }
  });
}

/** Refuses a checkpoint whose files are not what was saved. */
export async function checkCheckpoint(checkpoint: Checkpoint): Promise<void> {
  const found = await hashFiles(checkpoint.path);
  const bad = [...new Set([...Object.keys(checkpoint.files), ...Object.keys(found)])]
    .filter((name) => found[name]?.sha256 !== checkpoint.files[name]?.sha256);
  if (bad.length === 0 && commonHash(found) === checkpoint.sha256) return;
  throw new TiefsucheError('CHECKPOINT', `${checkpoint.path} is damaged: ${bad.join(', ')} ${bad.length === 1 ? 'is' : 'are'} not what was saved`,
    { hint: `delete that folder to continue from the checkpoint before it` });
}

/** Which steps to keep. With equal scores the earlier one is the best. */
export function checkpointsToKeep(all: readonly Pick<Checkpoint, 'step' | 'score'>[], { last, best }: Retention): Set<number> {
  const bySteps = [...all].sort((a, b) => a.step - b.step);
  const kept = new Set(bySteps.slice(Math.max(0, bySteps.length - last)).map((c) => c.step));
  const scored = bySteps.filter((c) => c.score !== null);
  if (best && scored.length > 0) kept.add(scored.reduce((a, b) => (b.score! > a.score! ? b : a)).step);
  return kept;
}

/** Removes all checkpoints that need not be kept; each vanishes in one step. */
export function pruneCheckpoints(folder: string, retention: Retention): Checkpoint[] {
  const all = listCheckpoints(folder);
  const kept = checkpointsToKeep(all, retention);
  const removed = all.filter((c) => !kept.has(c.step));
  for (const { path } of removed) {
    const doomed = join(dirname(path), `.${basename(path)}.old.tmp`);
    renameSync(path, doomed);
    rmSync(doomed, { recursive: true, force: true });
  }
  return removed;
}

async function hashFiles(folder: string): Promise<Checkpoint['files']> {
  const files: Checkpoint['files'] = {};
  for (const name of readdirSync(folder, { recursive: true }).map(String).sort()) {
    const path = join(folder, name);
    if (name === manifestName || !statSync(path).isFile()) continue;
    files[name.replaceAll('\\', '/')] = { bytes: statSync(path).size, sha256: await hashOfFile(path) };
  }
  return files;
}

function commonHash(files: Checkpoint['files']): Sha256 {
  return sha256(hashOf(canonicalJson(Object.fromEntries(Object.entries(files).map(([name, f]) => [name, f.sha256])))));
}
