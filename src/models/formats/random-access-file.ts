// A file read by position (pread), so that a 50 GB checkpoint never has to fit in memory.
// Every read is checked against the size seen at opening; a short read (the file shrank) is an error, never zeros.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { TiefsucheError } from '../../errors.ts';
import { formatError } from './format-error.ts';

export interface RandomAccessFile {
  readonly path: string;
  readonly size: number;
  /** Its descriptor, as long as it is open. */
  readonly fd: number;
  /** `length` bytes from `position`, at the beginning of `into`, or in a buffer of their own (offset 0, so typed arrays can be laid over it). */
  read(position: number, length: number, into?: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>;
  close(): void;
}

// readSync takes at most 2^31-1 bytes a call.
const largestRead = 1 << 30;

export function openRandomAccess(path: string): RandomAccessFile {
  let fd: number;
  try { fd = openSync(path, 'r'); } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw new TiefsucheError(missing ? 'NOT_FOUND' : 'INPUT',
      missing ? `there is no file ${path}` : `${path} cannot be opened: ${(cause as Error).message}`,
      { hint: 'Check the path and the permissions.', cause });
  }
  const stat = fstatSync(fd);
  if (!stat.isFile()) {
    closeSync(fd);
    throw new TiefsucheError('INPUT', `${path} is not a file`, { hint: 'Give the path of the file itself.' });
  }
  const size = stat.size;
  let open = true;
  return {
    path, size, fd,
    read(position, length, into) {
      if (!open) throw new Error(`internal error: ${path} is read after close`);
      if (!(position >= 0 && length >= 0 && position + length <= size)) {
        throw formatError(path, `it ends at byte ${size}, but bytes ${position} to ${position + length} are needed`);
      }
      const bytes = into && into.length >= length ? into.subarray(0, length) : new Uint8Array(length);
      for (let done = 0; done < length;) {
        const got = readSync(fd, bytes, done, Math.min(length - done, largestRead), position + done);
        if (got === 0) throw formatError(path, 'it became shorter while it was being read');
        done += got;
      }
      return bytes;
    },
    close() { if (open) { open = false; closeSync(fd); } },
  };
}
