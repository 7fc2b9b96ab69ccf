// One chain of records in one file: canonical JSON, one record a line, each holding the SHA-256 of the line before it.
// A file has one writer. A crash in the middle of a write leaves a torn last line, which is recognised (a record is whole
// only with its closing brace) and cut off at the next opening, with a record that says so; whole records are never lost.
import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { diskError, fsyncFolder, makeFolder, writeFully } from '../durable-file.ts';
import { TiefsucheError } from '../errors.ts';
import type { Sha256 } from '../units.ts';
import { canonicalJson, hashOf } from './canonical.ts';
import type { EventBody, EventName, LedgerRecord } from './events.ts';

export const genesis = '0'.repeat(64) as Sha256;

export interface ChainLine {
  /** 1-based, as editors count. */
  line: number;
  text: string;
  /** Length in bytes, without the newline. */
  bytes: number;
  sha256: Sha256;
  /** Null when the line is not JSON. */
  record: LedgerRecord | null;
}

export interface Chain {
  lines: ChainLine[];
  /** What stands after the last whole record; empty unless a write was cut short. */
  torn: Buffer;
  /** The last record is whole but its newline is missing. */
  unended: boolean;
}

/** Reads all lines; damage is reported, not thrown. A live writer's half-written line shows as torn. */
export function readChain(path: string): Chain {
  const bytes = readFileSync(path);
  const lines: ChainLine[] = [];
  let start = 0;
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
    lines.push(lineOf(bytes.subarray(start, end), lines.length + 1));
    start = end + 1;
  }
  const rest = bytes.subarray(start);
  const last = rest.length > 0 ? lineOf(rest, lines.length + 1) : undefined;
  if (last?.record) return { lines: [...lines, last], torn: Buffer.alloc(0), unended: true };
  return { lines, torn: rest, unended: false };
}

export function parsedRecords(chain: Chain): LedgerRecord[] {
  return chain.lines.flatMap((l) => l.record ?? []);
}

/** Appends records to a chain file. */
export class ChainWriter {
  readonly path: string;
  #file: number;
  #head: Sha256;
  #count: number;

  private constructor(path: string, file: number, head: Sha256, count: number) {
    this.path = path;
    this.#file = file;
    this.#head = head;
    this.#count = count;
  }

  /** Begins a file that must not exist yet. */
  static create(path: string): ChainWriter {
    makeFolder(dirname(path));
    try {
      const writer = new ChainWriter(path, openSync(path, 'ax'), genesis, 0);
      fsyncFolder(dirname(path));
      return writer;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw diskError(error, path);
      throw new TiefsucheError('LEDGER', `${path} exists already, and a ledger file has only one writer`, { cause: error });
    }
  }

  /** Continues a file (or begins it); a torn end is cut off and recorded. The caller holds whatever makes it the only writer. */
  static open(path: string): ChainWriter {
    makeFolder(dirname(path));
    let file: number;
    try {
      file = openSync(path, 'a+');
    } catch (error) {
      throw diskError(error, path);
    }
    const { lines, torn, unended } = readChain(path);
    const writer = new ChainWriter(path, file, lines.at(-1)?.sha256 ?? genesis, lines.length);
    if (unended) writeFully(file, Buffer.from('\n'));
    if (torn.length > 0) {
      const whole = lines.reduce((sum, l) => sum + l.bytes + 1, 0);
      ftruncateSync(file, whole);
      writer.append('ledger.repair', { bytes_dropped: torn.length, sha256_dropped: hashOf(torn) });
      writer.flush();
    }
    return writer;
  }

  /** Hash of the last record, and how many records there are. */
  get head(): Sha256 { return this.#head; }
  get count(): number { return this.#count; }

  /** Writes one record with a single write. It survives a crash of the process at once, a power cut after `flush`. */
  append<N extends EventName>(event: N, body: EventBody<N>, time: Date = new Date()): Sha256 {
    const text = recordText(event, body, this.#count, this.#head, time);
    const size = fstatSync(this.#file).size;
    try {
      writeFully(this.#file, Buffer.from(`${text}\n`));
    } catch (error) {
      ftruncateSync(this.#file, size); // half a record on a full disk must not be glued to the next one
      throw diskError(error, this.path);
    }
    this.#head = hashOf(text);
    this.#count += 1;
    return this.#head;
  }

  flush(): void {
    fsyncSync(this.#file);
  }

  close(): void {
    this.flush();
    closeSync(this.#file);
  }
}

/** The bytes a record has at this place in a chain. */
export function recordText<N extends EventName>(event: N, body: EventBody<N>, seq: number, prev: Sha256, time: Date): string {
  return canonicalJson({ ...body, event, seq, prev, time: time.toISOString() });
}

function lineOf(bytes: Buffer, line: number): ChainLine {
  const text = bytes.toString('utf8');
  let record: LedgerRecord | null = null;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) record = value as LedgerRecord;
  } catch {
    // Damage is the caller's to judge.
  }
  return { line, text, bytes: bytes.length, sha256: hashOf(bytes), record };
}
