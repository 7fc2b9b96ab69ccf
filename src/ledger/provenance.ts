// Which code, on which machine: facts for run.start, read from the machine itself and never typed in.
import { spawnSync } from 'node:child_process';
import { readFileSync, realpathSync } from 'node:fs';
import { arch, availableParallelism, cpus, platform, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hashOf } from './canonical.ts';
import type { RunStart } from './events.ts';

/** The package's own folder, the same from src/ and dist/. */
export function packageRoot(): string {
  return fileURLToPath(new URL('../../', import.meta.url));
}

/** Version, git commit and lockfile of the running code. Commit is null when this is not a git checkout. */
export function codeFacts(root: string = packageRoot()): RunStart['code'] {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  let lockfile: string | null;
  try {
    lockfile = hashOf(readFileSync(join(root, 'package-lock.json')));
  } catch {
    lockfile = null;
  }
  // Installed below somebody else's repository, git would answer with their commit: the top level must be ours.
  const top = git(root, 'rev-parse', '--show-toplevel');
  const isOurs = top !== null && realpathSync(top) === realpathSync(root);
  const changes = isOurs ? git(root, 'status', '--porcelain', '--untracked-files=no', '--', '.', ':(exclude)bench/results') : null; // what was measured is no code
  return { version, commit: isOurs ? git(root, 'rev-parse', 'HEAD') : null, changed: changes === null ? null : changes !== '', lockfile_sha256: lockfile };
}

/** Processor, memory and software of this machine; no names of hosts or users. */
export function hardwareFacts(): RunStart['hardware'] {
  return {
    cpu: cpus()[0]?.model.trim() || 'unknown', logical_processors: cpus().length, usable_processors: availableParallelism(),
    memory_bytes: totalmem(), platform: platform(), release: release(), arch: arch(), node: process.version,
  };
}

function git(root: string, ...args: string[]): string | null {
  const result = spawnSync('git', ['-C', root, ...args], { encoding: 'utf8' });
  return result.status === 0 ? result.stdout.trim() : null;
}
