// Finds any change to the ledger and says where. A record's successor holds its hash; the index holds the hash of every
// file's first record and, once closed, of its last; every attempt's start holds the head of the index at that time.
// What this cannot see: a person who rewrites all files together. Against that, keep a copy of the index's last hash.
import { existsSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { homeFolder } from '../home.ts';
import { canonicalJson } from './canonical.ts';
import { genesis, readChain, type Chain } from './chain-file.ts';
import { faultsOf, type LedgerRecord } from './events.ts';
import { indexPath, ledgerFolder, listAttempts, recipeHash, type AttemptEntry } from './workspace.ts';

export interface Problem {
  /** Relative to the ledger folder. */
  file: string;
  /** 1-based; null when it is about the file as a whole. */
  line: number | null;
  what: string;
}

export interface Verification {
  files: number;
  records: number;
  problems: Problem[];
  /** Not tampering: attempts still writing, or left by a crash and not closed yet. */
  notes: Problem[];
  /** Hash of the index's last record: covers everything that is closed. */
  head: string | null;
}

/** Checks the whole ledger of a workspace. Read only; safe while runs are writing. */
export function verifyLedger(home: string = homeFolder()): Verification {
  const result: Verification = { files: 0, records: 0, problems: [], notes: [], head: null };
  const folder = ledgerFolder(home);
  const attemptsFolder = join(folder, 'attempts');
  const onDisk = existsSync(attemptsFolder) ? readdirSync(attemptsFolder).map((f) => `attempts/${f}`) : [];
  if (!existsSync(indexPath(home))) {
    if (onDisk.length > 0) result.problems.push({ file: 'index.jsonl', line: null, what: `the index is missing, and ${onDisk.length} attempt files are here` });
    return result;
  }
  const index = readChain(indexPath(home));
  result.files += 1;
  result.records += index.lines.length;
  result.head = index.lines.at(-1)?.sha256 ?? null;
  report(result, 'index.jsonl', chainFaults(index, null));
  if (index.torn.length > 0) result.notes.push({ file: 'index.jsonl', line: index.lines.length + 1, what: 'a record is half written (being written now, or torn by a crash and repaired at the next start)' });

  const heads = new Set<string>([genesis, ...index.lines.map((l) => l.sha256)]);
  const listed = listAttempts(home);
  const opened = index.lines.flatMap((l) => (l.record?.event === 'attempt.opened' ? [l.record] : []));
  for (const entry of listed) {
    verifyAttempt(result, folder, entry, opened.find((o) => o.file === entry.file)?.first_sha256, heads);
  }
  for (const file of onDisk) {
    if (!listed.some((e) => e.file === file)) result.problems.push({ file, line: null, what: 'the index does not know this file: it was added, or entries were removed from the index' });
  }
  return result;
}

function verifyAttempt(result: Verification, folder: string, entry: AttemptEntry, first: string | undefined, heads: ReadonlySet<string>): void {
  const file = relative(folder, entry.path).replaceAll('\\', '/');
  if (!existsSync(entry.path)) {
    const expected = entry.closed?.records ?? 0;
    if (expected > 0) result.problems.push({ file, line: null, what: `the file is missing; the index says it has ${expected} records` });
    else result.notes.push({ file, line: null, what: 'opened, but nothing was ever recorded (a crash at the very start)' });
    return;
  }
  const chain = readChain(entry.path);
  result.files += 1;
  result.records += chain.lines.length;
  const faults = chainFaults(chain, entry.closed?.head_sha256 ?? null);
  if (entry.closed) {
    if (chain.lines.length !== entry.closed.records) {
      faults.unshift({ line: null, what: `${chain.lines.length} records, but ${entry.closed.records} when the file was closed: records were ${chain.lines.length < entry.closed.records ? 'removed' : 'added'}` });
    }
    if (chain.torn.length > 0 || chain.unended) faults.push({ line: chain.lines.length + (chain.unended ? 0 : 1), what: 'the end was changed after the file was closed' });
  } else if (entry.writer === 'dead') {
    result.notes.push({ file, line: null, what: 'left by a crash; the next start closes it as failed' });
  } else {
    result.notes.push({ file, line: null, what: 'still being written' });
  }
  if (first !== undefined && chain.lines[0] && chain.lines[0].sha256 !== first) {
    faults.push({ line: 1, what: 'the first record is not the one the index saw' });
  }
  report(result, file, [...faults, ...contentFaults(chain, heads)]);
}

type Fault = Omit<Problem, 'file'>;

/** Faults of form and of linkage; `head` is the known hash of the last record, if any. */
export function chainFaults({ lines }: Chain, head: string | null): Fault[] {
  const faults: Fault[] = [];
  // broken[i]: what the successor of line i holds as its hash is not its hash.
  const broken = lines.map((l, i) => {
    const next = lines[i + 1];
    if (next) return next.record !== null && next.record.prev !== l.sha256;
    return head !== null && l.sha256 !== head;
  });
  lines.forEach(({ line, text, record }, i) => {
    if (!record) {
      faults.push({ line, what: 'not a record: the line cannot be read' });
      return;
    }
    if (safeCanonical(record) !== text) faults.push({ line, what: 'not in canonical form: its bytes were changed' });
    const wrong = faultsOf(record);
    if (wrong.length > 0) faults.push({ line, what: `impossible fields: ${wrong.slice(0, 3).join('; ')}` });
    const previous = i === 0 ? -1 : lines[i - 1]!.record?.seq ?? record.seq - 1;
    if (record.seq !== previous + 1) {
      faults.push({ line, what: `is record ${record.seq}, but record ${previous + 1} belongs here: records were removed, added, or moved` });
      if (i > 0) broken[i - 1] = false;
    } else if (i === 0 && record.prev !== genesis) {
      faults.push({ line, what: 'the first record does not begin a chain' });
    }
  });
  for (let i = 0; i < lines.length; i++) {
    if (!broken[i]) continue;
    const from = i;
    while (i + 1 < lines.length && broken[i + 1]) i++;
    const last = i === lines.length - 1;
    // A change to a record breaks the link after it; a change to its `prev` also the link before.
    const line = lines[i]!.line;
    const what = last && from === i
      ? 'was changed, or the end of the file replaced: the index holds another hash for the last record'
      : `was changed: ${last ? 'the index' : `line ${line + 1}`} holds another hash for it${i - from > 1 ? ` (and so were lines between ${lines[from]!.line} and ${line})` : ''}`;
    faults.push({ line, what });
  }
  return faults;
}

function contentFaults(chain: Chain, indexHeads: ReadonlySet<string>): Fault[] {
  return chain.lines.flatMap(({ line, record }, i): Fault[] => {
    if (record === null) return [];
    if ((record.event === 'run.start') !== (i === 0)) return [{ line, what: i === 0 ? 'the file does not begin with run.start' : 'a second run.start' }];
    if (record.event === 'run.end' && i !== chain.lines.length - 1) return [{ line, what: 'records follow the end of the run' }];
    return record.event === 'run.start' ? startFaults(line, record, indexHeads) : [];
  });
}

function startFaults(line: number, start: LedgerRecord & { event: 'run.start' }, indexHeads: ReadonlySet<string>): Fault[] {
  const faults: Fault[] = [];
  if (recipeHash(start.recipe) !== start.recipe_sha256) faults.push({ line, what: 'the recipe does not have the hash recorded with it' });
  if (!indexHeads.has(start.index_sha256)) faults.push({ line, what: 'the index entry that stood last when this attempt began is gone: the index was changed or cut' });
  return faults;
}

function safeCanonical(record: LedgerRecord): string | null {
  try {
    return canonicalJson(record);
  } catch {
    return null;
  }
}

function report(result: Verification, file: string, faults: readonly Fault[]): void {
  result.problems.push(...faults.map((f) => ({ file, ...f })));
}
