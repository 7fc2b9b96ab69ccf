// Starts and stops training: the command line in a process of its own, detached, at low priority, with its words in a file.
// It outlives this server, whatever happens to it; who trains which run stands in the run's folder.

import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { makeFolder } from '../../durable-file.ts';
import { TiefsucheError } from '../../errors.ts';
import { runsFolder } from '../../home.ts';
import { listClaims } from '../../ledger/claim.ts';
import { openRun } from '../../runs/run-folder.ts';
import { claimStart, startingProcess, startingRuns } from '../../runs/run-start.ts';
import { logPath } from './run-reader.ts';

const lowPriority = 10;

/** Runs this server started: until their folder is there, nothing else knows of them. */
const started = new Map<string, 'starting' | 'failed'>();

/** Of the process this server started last for a run: it lives, or ended otherwise than it should. */
export const startOf = (run: string): 'starting' | 'failed' | null => started.get(run) ?? null;

/** Of a trainer that ended as it was asked to. */
export const stoppedStatus = 130;

/** Those that have no folder yet: being measured, whoever started them, or of ours ended before they made one. */
export const startsWithoutFolder = (home: string): { run: string; state: 'starting' | 'failed' }[] =>
  [...new Map([...started, ...startingRuns(home).map((run) => [run, 'starting'] as const)])].filter(([run]) => !existsSync(join(runsFolder(home), run, 'run.json'))).map(([run, state]) => ({ run, state }));

/**
 * Refuses (LOCKED) where a process is starting this run already.
 * @returns the process; `ended` when it was seen to end while this one lived
 */
export function startTrainer(commandLine: readonly string[], args: readonly string[], run: string, home: string): { readonly pid: number; readonly ended: Promise<number | null> } {
  makeFolder(runsFolder(home));
  const starting = claimStart(run, home);
  const log = openSync(logPath(home, run), 'w');
  try {
    const [program, ...first] = commandLine as [string, ...string[]];
    const child = spawn(program, [...first, ...args], { detached: true, stdio: ['ignore', log, log], env: { ...process.env, TIEFSUCHE_HOME: home } });
    const ended = new Promise<number | null>((resolve) => { child.once('exit', resolve); child.once('error', () => resolve(null)); });
    if (child.pid === undefined) {
      starting.end();
      throw new TiefsucheError('BACKEND', `the process that trains "${run}" could not be started`);
    }
    starting.handTo(child.pid);
    try { setPriority(child.pid, lowPriority); } catch { /* it trains all the same */ }
    child.unref();
    started.set(run, 'starting');
    void ended.then((status) => (status === 0 || status === stoppedStatus ? started.delete(run) : started.set(run, 'failed')));
    return { pid: child.pid, ended };
  } finally {
    closeSync(log);
  }
}

/** Asks the process that trains a run to finish its step and save, or to leave it if it has not begun yet; false if nobody trains it. */
export function stopTrainer(run: string, home: string): boolean {
  const starting = startingProcess(run, home);
  if (starting !== null) {
    process.kill(starting, 'SIGTERM');
    return true;
  }
  const last = listClaims(openRun(run, home).attempts, '').at(-1);
  if (last?.state === 'elsewhere') throw new TiefsucheError('LOCKED', `the run "${run}" is trained on ${last.content!.process.host}, and can be stopped there only`);
  if (last?.state !== 'alive') return false;
  process.kill(last.content!.process.pid, 'SIGTERM');
  return true;
}
