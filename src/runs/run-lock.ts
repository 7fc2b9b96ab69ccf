// One process at a time trains a run. Each attempt is a numbered claim, attempts/N.json (pid, start time, boot id): the
// highest number holds the run while its process lives, so a lock left by a crash never stands in the way, and the files
// together are the run's history.
import { TiefsucheError } from '../errors.ts';
import { listClaims, takeClaim, type Claim, type ClaimFile } from '../ledger/claim.ts';
import { outcomes, type Outcome } from '../ledger/events.ts';

/** `unfinished`: the last attempt died without a word, or none was made yet. */
export type RunStatus = 'running' | 'finished' | 'failed' | 'aborted' | 'unfinished';

export interface RunLock {
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** Gives the run free and records how the attempt ended. */
  end(outcome: Outcome): void;
}

export interface RunState {
  status: RunStatus;
  attempts: number;
  /** ISO times; null when there is none. */
  firstStarted: string | null;
  lastEnded: string | null;
  pid: number | null;
}

const prefix = '';

/** Takes the run for this process, or refuses if another one is training it. */
export function lockRun(attemptsFolder: string, runName: string): RunLock {
  const claim: Claim | { heldBy: ClaimFile } = takeClaim(attemptsFolder, prefix);
  if (!('heldBy' in claim)) return { attempt: claim.number, end: (outcome) => claim.end({ outcome }) };
  const { content, path, state } = claim.heldBy;
  const since = content?.since.slice(0, 16).replace('T', ' ');
  if (state === 'elsewhere') {
    throw new TiefsucheError('LOCKED', `the run "${runName}" was begun by process ${content?.process.pid} on ${content?.process.host} (since ${since}), and from here nobody can see whether that still works`,
      { hint: `if it does not, delete ${path} and try again` });
  }
  throw new TiefsucheError('LOCKED', `the run "${runName}" is being trained by process ${content?.process.pid} (since ${since})`,
    { hint: 'wait for it, stop it with Ctrl-C in its terminal, or train under another name with --run' });
}

/** Whether the run is being trained, and how it went so far. Reads only. */
export function runState(attemptsFolder: string): RunState {
  const claims = listClaims(attemptsFolder, prefix);
  const last = claims.at(-1);
  return {
    status: statusOf(last),
    attempts: claims.length,
    firstStarted: claims.find((c) => c.content)?.content?.since ?? null,
    lastEnded: last?.content?.ended ?? null,
    pid: last && (last.state === 'alive' || last.state === 'elsewhere') ? last.content!.process.pid : null,
  };
}

function statusOf(last: ClaimFile | undefined): RunStatus {
  if (last?.state === 'alive' || last?.state === 'elsewhere') return 'running';
  if (last?.state !== 'ended') return 'unfinished';
  const outcome = outcomes.find((o) => o === last.content!.outcome);
  return outcome === undefined ? 'unfinished' : outcome === 'completed' ? 'finished' : outcome;
}
