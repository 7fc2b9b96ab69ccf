// One file over HTTP: into NAME.part, from where it stopped if it did, checked against the hash its publisher gives, then
// renamed. A connection that is cut or falls silent is taken up again; a process that is killed leaves the part.

import { createHash, type Hash } from 'node:crypto';
import { closeSync, createReadStream, existsSync, fsyncSync, ftruncateSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { TiefsucheError, isTiefsucheError } from '../../errors.ts';
import { diskError, writeFully } from '../../durable-file.ts';
import { type Patience, patientFetch, pause, reasonOf, unreachable } from './patient-fetch.ts';

/** What the content must hash to: SHA-256 (large files), or git's blob hash, which is what the hub knows of small ones. */
export interface Check { readonly algorithm: 'sha256' | 'git'; readonly hex: string }

export interface Download {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Null where the publisher does not say. */
  readonly bytes: number | null;
  readonly check: Check | null;
}

export interface Stored { readonly bytes: number; readonly sha256: string }

/** No byte for so long, and the connection counts as cut. */
const silence = 60_000;

/** @param onBytes called with how much more is there, including what was there from before; negative when it is begun anew */
export async function download(file: Download, to: string, patience: Patience, onBytes: (more: number) => void = () => {}): Promise<Stored> {
  if (existsSync(to)) {
    const sums = new Sums(file);
    await sums.addFile(to);
    onBytes(sums.bytes);
    return sums.stored(); // it was checked before it got its name
  }
  const part = `${to}.part`;
  for (;;) {
    const { sums, resumed } = await fill(file, part, patience, onBytes), problem = sums.problem();
    if (problem === null) {
      renameSync(part, to);
      return sums.stored();
    }
    rmSync(part, { force: true });
    if (!resumed) throw new TiefsucheError('MISMATCH', `${file.url}: ${problem}`, { hint: 'It was damaged on the way or replaced at its source, and has been deleted. Try again, or report it to its publisher.' });
    patience.say('what was there from before does not belong to it; beginning anew');
    onBytes(-sums.bytes);
  }
}

class Sums {
  bytes = 0;
  private readonly expected: Download;
  private sha256: Hash = createHash('sha256');
  private git: Hash | null = null;

  constructor(expected: Download) {
    this.expected = expected;
    this.reset();
  }

  reset(): void {
    const { check, bytes } = this.expected;
    this.bytes = 0;
    this.sha256 = createHash('sha256');
    this.git = check?.algorithm === 'git' && bytes !== null ? createHash('sha1').update(`blob ${bytes}\0`) : null;
  }

  add(piece: Uint8Array): void {
    this.bytes += piece.length;
    this.sha256.update(piece);
    this.git?.update(piece);
  }

  async addFile(path: string): Promise<void> {
    for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) this.add(piece as Buffer);
  }

  stored(): Stored { return { bytes: this.bytes, sha256: this.sha256.copy().digest('hex') }; }

  problem(): string | null {
    const { bytes, check } = this.expected;
    if (bytes !== null && this.bytes !== bytes) return `it has ${this.bytes} bytes, expected ${bytes}`;
    if (check === null) return null;
    const actual = check.algorithm === 'git' ? this.git!.copy().digest('hex') : this.stored().sha256;
    return actual === check.hex ? null : `its ${check.algorithm === 'git' ? 'git hash' : 'SHA-256'} is ${actual}, expected ${check.hex}`;
  }
}

async function fill(file: Download, part: string, patience: Patience, onBytes: (more: number) => void): Promise<{ sums: Sums; resumed: boolean }> {
  const { url, bytes } = file, { host } = new URL(url), sums = new Sums(file);
  if (existsSync(part) && bytes !== null && statSync(part).size > bytes) rmSync(part);
  if (existsSync(part)) await sums.addFile(part);
  onBytes(sums.bytes);
  let resumed = sums.bytes > 0, complete = bytes !== null && sums.bytes === bytes;
  const out = openForWriting(part);
  try {
    for (let failures = 0; !complete;) {
      const before = sums.bytes, controller = new AbortController();
      const silent = setTimeout(() => controller.abort(new Error('no answer')), silence);
      try {
        const response = await patientFetch(url, {
          headers: { ...file.headers, 'accept-encoding': 'identity', ...(before > 0 && { range: `bytes=${before}-` }) }, signal: controller.signal,
        }, patience, before > 0 ? [416] : []);
        if (response.status === 416 && response.headers.get('content-range') === `bytes */${before}`) break; // all of it is there
        // A server that does not know ranges sends all of it; one whose file became shorter cannot go on.
        if (before > 0 && (response.status !== 206 || !response.headers.get('content-range')?.startsWith(`bytes ${before}-`))) {
          ftruncateSync(out, 0);
          sums.reset();
          onBytes(-before);
          resumed = false;
          if (response.status !== 200) { await response.body?.cancel(); continue; }
        }
        const length = response.headers.get('content-length'), total = bytes ?? (length === null ? null : sums.bytes + Number(length));
        if (!response.body) throw new Error('an answer without content');
        for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
          silent.refresh();
          try { writeFully(out, piece, sums.bytes); } catch (error) { throw diskError(error, part); }
          sums.add(piece);
          onBytes(piece.length);
          if (total !== null && sums.bytes > total) return { sums, resumed };
        }
        complete = total === null || sums.bytes >= total;
        if (!complete) throw new Error('the connection ended early');
      } catch (error) {
        if (isTiefsucheError(error)) throw error;
        failures = sums.bytes > before ? 0 : failures + 1;
        if (failures > patience.attempts) throw unreachable(host, reasonOf(error), error);
        patience.say(`the connection to ${host} was cut (${reasonOf(error)}); going on at byte ${sums.bytes}`);
        await patience.wait(pause(failures));
      } finally {
        clearTimeout(silent);
      }
    }
    fsyncSync(out);
    return { sums, resumed };
  } finally {
    closeSync(out);
  }
}

function openForWriting(path: string): number {
  try { return openSync(path, existsSync(path) ? 'r+' : 'w'); } catch (error) { throw diskError(error, path); }
}
