// --record keeps a result: one JSON line in bench/results/WHAT.jsonl with the machine, the commit and the time.

import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { codeFacts, hardwareFacts, packageRoot } from '../src/ledger/provenance.ts';

export function record(what: string, result: Readonly<Record<string, unknown>>): void {
  const folder = join(packageRoot(), 'bench', 'results'), { commit, changed } = codeFacts();
  mkdirSync(folder, { recursive: true });
  appendFileSync(join(folder, `${what}.jsonl`), `${JSON.stringify({ time: new Date().toISOString(), commit, changed, machine: hardwareFacts(), ...result })}\n`);
}
