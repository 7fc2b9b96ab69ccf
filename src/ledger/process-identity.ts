// Who wrote this? A process id alone is reused after days; with the start time of the process and the id of the boot it
// names one process for ever. So a lock left by a crash is told from one that is held, without heartbeats or timeouts.
// Linux reads /proc; macOS and BSD ask ps and sysctl. Windows tells neither, and gives ids to new processes soon: there a
// process keeps a file open that no one else can open until it ends, however it ends.
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';

export interface ProcessIdentity {
  pid: number;
  /** Start time in the unit of the platform, only ever compared for equality; on Windows the path of the file. Null: not told. */
  started: string | null;
  boot: string | null;
  host: string;
}

/** `elsewhere`: on another machine or in another container, where this process cannot look. */
export type Liveness = 'alive' | 'dead' | 'elsewhere';

let own: ProcessIdentity | undefined;

/** The identity of this process. */
export function thisProcess(): ProcessIdentity {
  own ??= { pid: process.pid, started: (process.platform === 'win32' ? keepFile() : startOf(process.pid)) ?? null, boot: bootId(), host: hostname() };
  return own;
}

/** The identity of another process on this machine. */
export const identityOf = (pid: number): ProcessIdentity => ({ ...thisProcess(), pid, started: startOf(pid) ?? null });

/** Whether the process that wrote `identity` still lives. */
export function liveness(identity: ProcessIdentity): Liveness {
  const self = thisProcess();
  const sameBoot = identity.boot !== null && identity.boot === self.boot;
  if (identity.host !== self.host) {
    // Same kernel, other name: another container, or the machine was renamed. Only a sighting proves anything.
    return sameBoot && identity.started !== null && startOf(identity.pid) === identity.started ? 'alive' : 'elsewhere';
  }
  if (process.platform === 'win32' && identity.started !== null) return isKept(identity.started) ? 'alive' : 'dead';
  if (!sameBoot && identity.boot !== null && self.boot !== null) return 'dead';
  if (identity.pid === self.pid) return identity.started === self.started ? 'alive' : 'dead';
  const started = startOf(identity.pid);
  if (started === undefined) return 'dead';
  return started === null || identity.started === null || started === identity.started ? 'alive' : 'dead';
}

// Flags of libuv that Node does not name: no one else may open the file, and it goes when it is closed.
const exclusive = 0x10000000, temporary = 0x40;

/** Opens a file of this process, never to close it. Undefined where there is no place for one. */
function keepFile(): string | undefined {
  const path = join(tmpdir(), `tiefsuche-${process.pid}-${randomUUID()}`);
  try {
    openSync(path, constants.O_CREAT | constants.O_EXCL | constants.O_RDWR | exclusive | temporary);
    return path;
  } catch {
    return undefined;
  }
}

/** A file that can be opened is there because the machine was switched off; one that may not be looked at counts as kept. */
function isKept(path: string): boolean {
  try {
    closeSync(openSync(path, constants.O_RDWR | exclusive));
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
}

// undefined: no such process; null: it exists, but the platform does not say since when.
function startOf(pid: number): string | null | undefined {
  if (process.platform === 'linux') {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // The command stands in brackets and may hold spaces and brackets itself: count from the last one.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (fields[0] === 'Z' || fields[0] === 'X') return undefined; // a zombie holds nothing any more
      return fields[19] ?? null;
    } catch {
      return undefined;
    }
  }
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return undefined;
  }
  if (process.platform === 'win32') return null;
  const listed = spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } });
  return listed.stdout?.trim() || null;
}

function bootId(): string | null {
  try {
    if (process.platform === 'linux') return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    if (process.platform === 'win32') return null;
    return spawnSync('sysctl', ['-n', 'kern.boottime'], { encoding: 'utf8' }).stdout?.match(/sec = (\d+)/)?.[1] ?? null;
  } catch {
    return null;
  }
}
