// Files and folders that are either complete or not there: written to a temporary name beside the target, flushed to
// disk (file, then the folder that lists it), then renamed. A crash leaves the old content or a *.tmp, never half a file.

import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

/** Flushes a folder's list of names to disk (Windows cannot, and need not). */
export function syncFolder(path: string): void {
  if (process.platform === 'win32') return;
  const fd = openSync(path, 'r');
  try { fsyncSync(fd); } finally { closeSync(fd); }
}

// Unique within the machine: two writers of the same target never share a temporary name.
let counter = 0;
const temporaryName = (path: string): string =>
  join(dirname(path), `.${basename(path)}.${process.pid}-${++counter}.tmp`);

/** Opens a temporary file, lets `write` fill it, then puts it in place of `path`. */
export async function writeFileAtomically<T>(path: string, write: (fd: number) => T | Promise<T>): Promise<T> {
  const target = resolve(path), temporary = temporaryName(target);
  mkdirSync(dirname(target), { recursive: true });
  const fd = openSync(temporary, 'wx');
  let result: T;
  try {
    try { result = await write(fd); fsyncSync(fd); } finally { closeSync(fd); }
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncFolder(dirname(target));
  return result;
}

/** Puts a text file in place. */
export async function writeTextAtomically(path: string, text: string): Promise<void> {
  await writeFileAtomically(path, (fd) => writeFileSync(fd, text));
}

/**
 * Lets `fill` write into a temporary folder, then puts that in place of `path`. An older folder is moved aside first
 * and removed last, so that one complete folder exists at every moment.
 */
export async function writeFolderAtomically(path: string, fill: (folder: string) => Promise<void>): Promise<void> {
  const target = resolve(path), temporary = temporaryName(target), old = `${temporary}.old`;
  mkdirSync(temporary, { recursive: true });
  try {
    await fill(temporary);
    for (const name of readdirSync(temporary)) {
      const fd = openSync(join(temporary, name), 'r');
      try { fsyncSync(fd); } finally { closeSync(fd); }
    }
    syncFolder(temporary);
    const replaces = existsSync(target);
    if (replaces) renameSync(target, old);
    try { renameSync(temporary, target); } catch (error) {
      if (replaces) renameSync(old, target);
      throw error;
    }
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
  syncFolder(dirname(target));
  rmSync(old, { recursive: true, force: true });
}
