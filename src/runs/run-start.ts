// Who is starting a run: from before its process is made until it holds the run's lock. In between it measures how long it
// will take and has no folder yet, so that without this mark a second start would begin a second trainer, and nobody could
// stop the first. One numbered claim a run, runs/.starting/NAME.N.json; whoever makes the process claims, and hands over.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { TiefsucheError } from '../errors.ts';
import { homeFolder, runsFolder } from '../home.ts';
import { type Claim, type ClaimFile, listClaims, ownClaim, takeClaim, tidyClaims } from '../ledger/claim.ts';

const folderOf = (home: string): string => join(runsFolder(home), '.starting');

/** Marks the run as being started by this process, or finds the mark that was handed to it; refuses (LOCKED) if another one is starting it. */
export function claimStart(run: string, home: string = homeFolder()): Claim {
  const claim: Claim | { heldBy: ClaimFile } = takeClaim(folderOf(home), `${run}.`), held = 'heldBy' in claim ? ownClaim(claim.heldBy) : claim;
  if (held) {
    tidyClaims(folderOf(home), `${run}.`, held.number);
    return held;
  }
  const { content, state, path } = (claim as { heldBy: ClaimFile }).heldBy;
  throw new TiefsucheError('LOCKED', `the run "${run}" is being started by process ${content?.process.pid}${state === 'elsewhere' ? ` on ${content?.process.host}` : ''}`,
    { hint: state === 'elsewhere' ? `if it does not live any more, delete ${path} and try again` : 'wait for it, stop it with Ctrl-C in its terminal, or train under another name with --run' });
}

/** The process that is starting the run, null if none is. */
export function startingProcess(run: string, home: string = homeFolder()): number | null {
  const last = listClaims(folderOf(home), `${run}.`).at(-1);
  return last?.state === 'alive' ? last.content!.process.pid : null;
}

/** Runs that are being started, by any process of this machine. */
export function startingRuns(home: string = homeFolder()): string[] {
  let files: string[];
  try { files = readdirSync(folderOf(home)); } catch { return []; }
  const names = new Set(files.flatMap((name) => /^(.+)\.\d+\.json$/.exec(name)?.[1] ?? []));
  return [...names].filter((run) => startingProcess(run, home) !== null);
}
