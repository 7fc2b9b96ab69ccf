// Memory a program may still take: what the system has free, caches that give way included, and no more than a container's
// limit leaves. libuv knows the limit of this process; what it counts as taken there holds cached files, too, so those
// that were not used of late (memory.stat, as the kubelet counts) are added again.

import { existsSync, readFileSync } from 'node:fs';
import { freemem, totalmem } from 'node:os';

/** What a container or a unit allows; null: all there is. */
export function memoryLimit(): number | null {
  const limit = process.constrainedMemory?.() ?? 0;
  return limit > 0 && limit < totalmem() ? limit : null;
}

export function freeMemory(): number {
  const free = freemem(); // MemAvailable on Linux
  return memoryLimit() === null ? free : Math.min(free, process.availableMemory() + idleCache());
}

function idleCache(): number {
  const own = existsSync('/proc/self/cgroup') ? readFileSync('/proc/self/cgroup', 'utf8') : '';
  const [, path = ''] = /^0::(\S*)$/m.exec(own) ?? [], [, path1 = ''] = /^\d+:[^:]*\bmemory\b[^:]*:(\S*)$/m.exec(own) ?? [];
  // In a container the path of the host is often not there: its own group is the root then.
  for (const file of [`/sys/fs/cgroup${path}/memory.stat`, '/sys/fs/cgroup/memory.stat', `/sys/fs/cgroup/memory${path1}/memory.stat`, '/sys/fs/cgroup/memory/memory.stat']) {
    const found = existsSync(file) ? /^(?:total_)?inactive_file (\d+)$/m.exec(readFileSync(file, 'utf8')) : null;
    if (found) return Number(found[1]);
  }
  return 0;
}
