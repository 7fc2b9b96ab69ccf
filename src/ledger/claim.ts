// Exclusive claims in a folder, safe against crashes at any moment. A claim is a numbered file; the highest number rules.
// A dead or ended claim is never removed by its successor, it is outnumbered: number n+1 is created exclusively, and only
// one contender can. (Removing a dead lock has a race: a slow contender removes the lock of a quick one.) Numbers below
// the highest may be tidied away, because a claim counts only if no higher one exists once it is made.
import { closeSync, fsyncSync, openSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { diskError, makeFolder, writeFileAtomic, writeFully } from '../durable-file.ts';
import { identityOf, liveness, thisProcess, type Liveness } from './process-identity.ts';

const claimSchema = z.looseObject({
  process: z.object({ pid: z.int(), started: z.string().nullable(), boot: z.string().nullable(), host: z.string() }),
  since: z.string(),
  ended: z.string().optional(),
});

export type ClaimContent = z.infer<typeof claimSchema>;

export interface ClaimFile {
  number: number;
  path: string;
  /** Null: unreadable, because its writer died between making and filling it. */
  content: ClaimContent | null;
  state: Liveness | 'ended';
}

export interface Claim {
  number: number;
  path: string;
  /** Marks the claim as ended, with what its successors may want to know. */
  end(details?: Record<string, unknown>): void;
  /** From now on it is the claim of a process that this one has made. */
  handTo(pid: number): void;
}

/** All claims named `<prefix><number>.json` in `folder`, in the order of their numbers. */
export function listClaims(folder: string, prefix: string): ClaimFile[] {
  return claimNumbers(folder, prefix).flatMap((number) => readClaim(folder, prefix, number) ?? []);
}

/**
 * Claims the next number, or returns the claim that is in the way.
 * @param atLeast the lowest number to take, for when a history outside this folder already used some
 */
export function takeClaim(folder: string, prefix: string, details: Record<string, unknown> = {}, atLeast = 1): Claim | { heldBy: ClaimFile } {
  makeFolder(folder);
  for (;;) {
    const highest = claimNumbers(folder, prefix).at(-1) ?? 0;
    const holder = highest > 0 ? readClaim(folder, prefix, highest) : undefined;
    if (holder && (holder.state === 'alive' || holder.state === 'elsewhere')) return { heldBy: holder };
    const number = Math.max(highest + 1, atLeast);
    const path = join(folder, `${prefix}${number}.json`);
    const content = { ...details, process: thisProcess(), since: new Date().toISOString() };
    if (!createExclusively(path, `${JSON.stringify(content)}\n`)) continue;
    if (claimNumbers(folder, prefix).at(-1) !== number) {
      rmSync(path, { force: true });
      continue;
    }
    return claimAt(number, path, content);
  }
}

function claimAt(number: number, path: string, content: Record<string, unknown>): Claim {
  const write = (more: Record<string, unknown>): void => writeFileAtomic(path, `${JSON.stringify({ ...content, ...more })}\n`);
  return { number, path, end: (more = {}) => write({ ...more, ended: new Date().toISOString() }), handTo: (pid) => write({ process: identityOf(pid) }) };
}

/** The claim of this process that another one handed to it, if this file is one. */
export function ownClaim({ number, path, content, state }: ClaimFile): Claim | null {
  return state === 'alive' && content!.process.pid === process.pid ? claimAt(number, path, content!) : null;
}

/** Removes all claims below `number`; only the holder of `number` may call it. */
export function tidyClaims(folder: string, prefix: string, number: number): void {
  for (const old of claimNumbers(folder, prefix)) if (old < number) rmSync(join(folder, `${prefix}${old}.json`), { force: true });
}

function claimNumbers(folder: string, prefix: string): number[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return names
    .filter((name) => name.startsWith(prefix) && /^\d+\.json$/.test(name.slice(prefix.length)))
    .map((name) => Number.parseInt(name.slice(prefix.length), 10))
    .sort((a, b) => a - b);
}

function readClaim(folder: string, prefix: string, number: number): ClaimFile | undefined {
  const path = join(folder, `${prefix}${number}.json`);
  // Made and filled are two moments: an empty file gets a second to be filled before it counts as dead.
  for (let tries = 0; ; tries++) {
    try {
      const content = claimSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
      return { number, path, content, state: content.ended === undefined ? liveness(content.process) : 'ended' };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      if (tries === 20) return { number, path, content: null, state: 'dead' };
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    }
  }
}

function createExclusively(path: string, content: string): boolean {
  let file: number;
  try {
    file = openSync(path, 'wx');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw diskError(error, path);
  }
  try {
    writeFully(file, Buffer.from(content));
    fsyncSync(file);
  } catch (error) {
    throw diskError(error, path);
  } finally {
    closeSync(file);
  }
  return true;
}
