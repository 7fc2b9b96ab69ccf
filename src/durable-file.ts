// Files that survive a crash: written under a temporary name, flushed, renamed, and the folder flushed too, so that a
// reader sees the old file or the new one and never half of one. Disk errors become errors with a code.
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { TiefsucheError } from './errors.ts';
import { faultPoint } from './fault-point.ts';

/** Replaces `path` with `content` in one step; on any error the old file is untouched. `mode`: who may read it, e.g. 0o600. */
export function writeFileAtomic(path: string, content: string | Uint8Array, mode?: number): void {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  try {
    const file = openSync(temporary, 'w', mode);
    try {
      writeFully(file, typeof content === 'string' ? Buffer.from(content) : content);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    faultPoint('file.rename');
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw diskError(error, path);
  }
  fsyncFolder(dirname(path));
}

/** The same for content that is written piece by piece: `write` fills an open file. */
export async function writeStreamAtomic<T>(path: string, write: (file: number) => T | Promise<T>): Promise<T> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  makeFolder(dirname(path));
  let result: T;
  try {
    const file = openSync(temporary, 'w');
    try {
      result = await write(file);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw diskError(error, path);
  }
  fsyncFolder(dirname(path));
  return result;
}

/**
 * Makes or replaces a whole folder in one step: `fill` writes files into a temporary one beside it, which is flushed and
 * renamed. A crash leaves the old folder, the new one, or (between two renames) neither but never a mixture; what lies
 * about under a name with a leading dot and `.tmp` may be deleted at any time.
 */
export async function writeFolderAtomic(path: string, fill: (folder: string) => void | Promise<void>): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  const replaced = join(dirname(path), `.${basename(path)}.${process.pid}.old.tmp`);
  try {
    rmSync(temporary, { recursive: true, force: true });
    makeFolder(temporary);
    await fill(temporary);
    for (const entry of readdirSync(temporary, { recursive: true, withFileTypes: true })) {
      const name = join(entry.parentPath, entry.name);
      if (entry.isDirectory()) fsyncFolder(name);
      else fsyncFile(name);
    }
    fsyncFolder(temporary);
    faultPoint('folder.filled');
    const replaces = existsSync(path);
    if (replaces) renameSync(path, replaced);
    faultPoint('folder.rename');
    try {
      renameSync(temporary, path);
    } catch (error) {
      if (replaces) renameSync(replaced, path);
      throw error;
    }
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw diskError(error, path);
  }
  faultPoint('folder.renamed');
  fsyncFolder(dirname(path));
  rmSync(replaced, { recursive: true, force: true });
}

/** Removes what crashed writers of `writeFileAtomic` and `writeFolderAtomic` left in a folder. */
export function removeLeftovers(folder: string): void {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    if (name.startsWith('.') && name.endsWith('.tmp')) rmSync(join(folder, name), { recursive: true, force: true });
  }
}

/** Writes all bytes at the file's position, or at the one given (a single write may be short on a full disk). */
export function writeFully(file: number, bytes: Uint8Array, position?: number): void {
  for (let offset = 0; offset < bytes.length;) offset += writeSync(file, bytes, offset, bytes.length - offset, position === undefined ? null : position + offset);
}

function fsyncFile(path: string): void {
  const file = openSync(path, 'r+');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Flushes names created, renamed or removed in a folder. Windows can neither do it nor needs it. */
export function fsyncFolder(folder: string): void {
  if (process.platform === 'win32') return;
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Bytes a user may still write on the disk that holds `path`, which need not exist yet. */
export function freeDiskBytes(path: string): number {
  for (let folder = path; ; folder = dirname(folder)) {
    try {
      const { bavail, bsize } = statfsSync(folder);
      return bavail * bsize;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(folder) === folder) throw error;
    }
  }
}

/** Refuses to begin what would not fit. `purpose` completes "… needs 3.1 GB". */
export function requireFreeDisk(path: string, bytes: number, purpose: string): void {
  const free = freeDiskBytes(path);
  if (free >= bytes) return;
  throw new TiefsucheError('DISK', `${purpose} needs ${gigabytes(bytes)} on the disk of ${path}, and ${gigabytes(free)} are free`,
    { hint: 'free some space, or move all state to a larger disk with TIEFSUCHE_HOME' });
}

/** Makes a folder and its parents; errors carry the path and a code. */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw diskError(error, path);
  }
}

/** Turns what the operating system says about a write into our error; other errors pass through. */
export function diskError(error: unknown, path: string): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') {
    return new TiefsucheError('DISK', `the disk is full: ${path} could not be written; what was there before is untouched`,
      { hint: 'free some space and run the same command again; a run continues from its last checkpoint', cause: error });
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new TiefsucheError('DISK', `${path} may not be written (${code})`,
      { hint: 'check who owns the folder, or point TIEFSUCHE_HOME to one you may write', cause: error });
  }
  return error;
}

function gigabytes(bytes: number): string {
  return bytes < 1e8 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
