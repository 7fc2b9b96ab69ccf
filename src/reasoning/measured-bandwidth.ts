// How fast this machine reads memory: measured once (0.5 s), then remembered in machine.json of the state folder for as
// long as processor and threads stay the same.

import { existsSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { makeFolder, writeFileAtomic } from '../durable-file.ts';
import { openBackend } from '../engine/backends/open.ts';
import { readBandwidth } from '../engine/speed.ts';

const remembered = z.object({ cpu: z.string(), threads: z.int(), backend: z.string(), read_bytes_per_second: z.number().positive(), measured: z.string() });

/** Bytes/s. */
export async function measuredBandwidth(home: string): Promise<number> {
  const path = join(home, 'machine.json'), backend = openBackend();
  try {
    const { threads, isa, name } = backend.info(), cpu = cpus()[0]?.model.trim() || 'unknown', kind = `${name} ${isa}`;
    if (existsSync(path)) {
      try {
        const known = remembered.parse(JSON.parse(readFileSync(path, 'utf8')));
        if (known.cpu === cpu && known.threads === threads && known.backend === kind) return known.read_bytes_per_second;
      } catch { /* unreadable: measured again */ }
    }
    const rate = await readBandwidth(backend, 4);
    makeFolder(home);
    writeFileAtomic(path, `${JSON.stringify({ cpu, threads, backend: kind, read_bytes_per_second: rate, measured: new Date().toISOString() } satisfies z.infer<typeof remembered>, null, 2)}\n`);
    return rate;
  } finally {
    backend.close();
  }
}
