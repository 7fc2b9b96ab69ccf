// The ledger of one workspace: $TIEFSUCHE_HOME/ledger/index.jsonl lists all attempts ever begun; attempts/RUN.N.jsonl holds
// what each did. An attempt's file is written by its own process alone; the index is shared, under a short claim.
// An attempt that died without a word is closed as `failed` by whoever starts next; what it cost stays in the bill.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { TiefsucheError } from '../errors.ts';
import { homeFolder } from '../home.ts';
import { ChainWriter, genesis, parsedRecords, readChain, recordText } from './chain-file.ts';
import { canonicalJson, hashOf } from './canonical.ts';
import { takeClaim, tidyClaims } from './claim.ts';
import type { EventBody, RecordOf, RunEnd, RunStart, RunTick } from './events.ts';
import { liveness, thisProcess, type Liveness } from './process-identity.ts';

/** What the index says about one attempt. */
export interface AttemptEntry {
  run: string;
  name: string;
  attempt: number;
  /** Path below the ledger folder, and in full. */
  file: string;
  path: string;
  openedAt: string;
  closed: EventBody<'attempt.closed'> | null;
  /** Whether the process that opened it lives; only meaningful while it is not closed. */
  writer: Liveness;
}

/** Fields of run.start that the caller knows; the rest is filled in. */
export type StartFacts = Omit<RunStart, 'process' | 'index_sha256' | 'recipe_sha256'>;

export function ledgerFolder(home: string = homeFolder()): string {
  return join(home, 'ledger');
}

export function indexPath(home: string = homeFolder()): string {
  return join(ledgerFolder(home), 'index.jsonl');
}

/** All attempts ever begun in this workspace, in order. */
export function listAttempts(home: string = homeFolder()): AttemptEntry[] {
  const path = indexPath(home);
  if (!existsSync(path)) return [];
  const entries = new Map<string, AttemptEntry>();
  for (const record of parsedRecords(readChain(path))) {
    if (record.event === 'attempt.opened') {
      entries.set(record.file, {
        run: record.run, name: record.name, attempt: record.attempt, file: record.file, path: join(ledgerFolder(home), record.file),
        openedAt: record.time, closed: null, writer: liveness(record.process),
      });
    } else if (record.event === 'attempt.closed') {
      const entry = entries.get(record.file);
      if (entry) entry.closed = record;
    }
  }
  return [...entries.values()];
}

/** What an attempt did: its start, its ticks, and its end if it has one. Null when its file is missing or has no start. */
export function readAttempt(path: string): { start: RecordOf<'run.start'>; ticks: RecordOf<'run.tick'>[]; end: RecordOf<'run.end'> | null } | null {
  if (!existsSync(path)) return null;
  const records = parsedRecords(readChain(path));
  const start = records.find((r) => r.event === 'run.start');
  if (!start) return null;
  return { start, ticks: records.filter((r) => r.event === 'run.tick'), end: records.find((r) => r.event === 'run.end') ?? null };
}

/** The record of one attempt, open for writing. */
export class AttemptLedger {
  readonly path: string;
  readonly #home: string;
  readonly #entry: { run: string; attempt: number; file: string };
  #chain: ChainWriter | null;

  /** Use beginAttempt. */
  constructor(home: string, entry: { run: string; attempt: number; file: string }, chain: ChainWriter) {
    this.path = chain.path;
    this.#home = home;
    this.#entry = entry;
    this.#chain = chain;
  }

  /** Records work done since the last tick. A loss that is not a number is written as null: JSON has no NaN. */
  tick(work: RunTick): void {
    this.#writer.append('run.tick', { ...work, loss: work.loss !== null && Number.isFinite(work.loss) ? work.loss : null });
  }

  /** Makes everything so far survive a power cut; call it before a checkpoint counts as saved. */
  flush(): void {
    this.#writer.flush();
  }

  /** Records the outcome and closes the file. */
  end(end: Omit<RunEnd, 'closed_by'>): void {
    const chain = this.#writer;
    this.#chain = null;
    chain.append('run.end', { ...end, closed_by: 'self' });
    chain.close();
    withIndex(this.#home, (index) => {
      index.append('attempt.closed', { ...this.#entry, records: chain.count, head_sha256: chain.head });
    });
  }

  get #writer(): ChainWriter {
    if (!this.#chain) throw new TiefsucheError('LEDGER', `the record of ${this.#entry.run}, attempt ${this.#entry.attempt}, has ended`);
    return this.#chain;
  }
}

/** Opens the record of a new attempt, after closing those that died. */
export function beginAttempt(facts: StartFacts, home: string = homeFolder()): AttemptLedger {
  closeDeadAttempts(home);
  return withIndex(home, (index) => {
    const file = `attempts/${facts.run}.${facts.attempt}.jsonl`;
    const path = join(ledgerFolder(home), file);
    if (existsSync(path)) throw new TiefsucheError('LEDGER', `${path} exists already: attempt ${facts.attempt} of ${facts.run} was recorded before`);
    const start: RunStart = { ...facts, recipe_sha256: recipeHash(facts.recipe), process: thisProcess(), index_sha256: index.head };
    // The index first, with the hash of the record to come: a file cannot appear or vanish without the index knowing.
    const time = new Date();
    const first = hashOf(recordText('run.start', start, 0, genesis, time));
    index.append('attempt.opened', { run: facts.run, name: facts.name, attempt: facts.attempt, file, first_sha256: first, process: start.process });
    index.flush();
    const chain = ChainWriter.create(path);
    chain.append('run.start', start, time);
    chain.flush();
    return new AttemptLedger(home, { run: facts.run, attempt: facts.attempt, file }, chain);
  });
}

/** Closes as `failed` every attempt whose process died without ending it; returns them. */
export function closeDeadAttempts(home: string = homeFolder()): AttemptEntry[] {
  const isDead = (entry: AttemptEntry): boolean => entry.closed === null && entry.writer === 'dead';
  if (!listAttempts(home).some(isDead)) return [];
  return withIndex(home, (index) => {
    const dead = listAttempts(home).filter(isDead);
    for (const entry of dead) {
      if (!existsSync(entry.path)) {
        index.append('attempt.closed', { run: entry.run, attempt: entry.attempt, file: entry.file, records: 0, head_sha256: null });
        continue;
      }
      const chain = ChainWriter.open(entry.path);
      const said = readAttempt(entry.path);
      if (said && !said.end) {
        chain.append('run.end', {
          outcome: 'failed', step: said.ticks.at(-1)?.step ?? said.start.resumed_from?.step ?? 0, checkpoint_sha256: null, closed_by: 'successor',
          error: { code: 'CRASHED', message: 'the process ended without a word (killed, crashed, or the power failed); work after its last tick is not recorded' },
        });
      }
      chain.close();
      index.append('attempt.closed', { run: entry.run, attempt: entry.attempt, file: entry.file, records: chain.count, head_sha256: chain.count > 0 ? chain.head : null });
    }
    return dead;
  });
}

/** SHA-256 of a recipe's canonical JSON. */
export function recipeHash(recipe: RunStart['recipe']): string {
  return hashOf(canonicalJson(recipe));
}

// The index is open for milliseconds at a time; a claim left by a crash is simply outnumbered.
function withIndex<T>(home: string, work: (index: ChainWriter) => T): T {
  const folder = ledgerFolder(home);
  const prefix = 'index.lock.';
  for (let waited = 0; ; waited += 20) {
    const claim = takeClaim(folder, prefix);
    if (!('heldBy' in claim)) {
      try {
        tidyClaims(folder, prefix, claim.number);
        const index = ChainWriter.open(indexPath(home));
        try {
          return work(index);
        } finally {
          index.close();
        }
      } finally {
        claim.end();
      }
    }
    if (waited > 10_000) {
      const { path, content } = claim.heldBy;
      throw new TiefsucheError('LOCKED', `the ledger's index is held by process ${content?.process.pid} on ${content?.process.host}`,
        { hint: `if that process no longer exists, delete ${path}` });
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
  }
}
