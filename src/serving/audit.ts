// Who asked which model when, and what it took: one JSON line per answer, appended to $TIEFSUCHE_HOME/audit/DAY.jsonl (UTC
// days), readable by its owner alone. Texts only where the operator asks for them. A file per day makes keeping only what
// may be kept a matter of deleting files. If a record cannot be written, it waits in memory, and no further answer is given
// until it and those behind it are on disk.

import { appendFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { TiefsucheError } from '../errors.ts';
import { homeFolder } from '../home.ts';

const recordSchema = z.object({
  time: z.string(), id: z.string(), user: z.string(), model: z.string(), weights_sha256: z.string().nullable(),
  choices: z.int(), prompt_tokens: z.int(), cached_tokens: z.int(), completion_tokens: z.int(), reasoning_tokens: z.int(),
  seconds: z.number(), joules: z.number().nullable(), energy_method: z.string(),
  finish: z.array(z.string()).describe('Of every choice: stop, length, tool_calls, client (it left), refused.'),
  messages: z.array(z.unknown()).optional(), answers: z.array(z.object({ thinking: z.string(), content: z.string(), calls: z.array(z.unknown()) })).optional(),
});
export type AuditRecord = z.output<typeof recordSchema>;

export const auditFolder = (home: string = homeFolder()): string => join(home, 'audit');
const dayFile = /^(\d{4}-\d{2}-\d{2})\.jsonl$/;

export class Audit {
  /** Whether the texts are kept, too. */
  readonly texts: boolean;
  /** Why records could not be written at the last try. */
  failure: string | null = null;
  private readonly folder: string;
  /** Records that wait to be written, with the day they belong to; more than one only while that fails. */
  private waiting: { readonly day: string; readonly line: string }[] = [];

  constructor(texts: boolean, home: string = homeFolder()) {
    this.texts = texts;
    this.folder = auditFolder(home);
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
  }

  write(record: AuditRecord): void {
    this.waiting.push({ day: record.time.slice(0, 10), line: JSON.stringify(record) });
    this.flush();
  }

  /** Before an answer is begun: writes what waits, and sees whether today's file takes more. Null: it does. */
  check(): string | null {
    this.waiting.push({ day: new Date().toISOString().slice(0, 10), line: '' });
    this.flush();
    this.waiting = this.waiting.filter(({ line }) => line !== '');
    return this.failure;
  }

  private flush(): void {
    try {
      for (let next = this.waiting[0]; next; next = this.waiting[0]) {
        const file = join(this.folder, `${next.day}.jsonl`);
        // A try that failed may have left half a line.
        appendFileSync(file, next.line === '' ? '' : `${this.failure === null ? '' : '\n'}${next.line}\n`, { mode: 0o600 });
        this.waiting.shift();
      }
      this.failure = null;
    } catch (error) {
      this.failure = (error as Error).message;
    }
  }
}

const days = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder).filter((f) => dayFile.test(f)).sort() : []);

/** All records, oldest first; a line cut short by a crash is passed over. */
export function* readAudit(home: string = homeFolder()): Generator<AuditRecord> {
  for (const file of days(auditFolder(home))) {
    for (const line of readFileSync(join(auditFolder(home), file), 'utf8').split('\n')) {
      try {
        const parsed = recordSchema.safeParse(JSON.parse(line));
        if (parsed.success) yield parsed.data;
      } catch { /* the last line of a server that was killed, or the end of the file */ }
    }
  }
}

/** Deletes the records of all days before this one; says which. */
export function purgeAudit(before: string, home: string = homeFolder()): string[] {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(before) || Number.isNaN(Date.parse(before)) || new Date(before).toISOString().slice(0, 10) !== before) {
    throw new TiefsucheError('USAGE', `"${before}" is no day`, { hint: 'Write it as 2026-01-31.' });
  }
  const gone = days(auditFolder(home)).filter((f) => dayFile.exec(f)![1]! < before);
  for (const file of gone) rmSync(join(auditFolder(home), file));
  return gone.map((f) => dayFile.exec(f)![1]!);
}
