// Who asked which model when, and what it took: one JSON line per answer, appended to $TIEFSUCHE_HOME/audit/DAY.jsonl (UTC
// days), readable by its owner alone. Texts only where the operator asks for them. A file per day makes keeping only what
// may be kept a matter of deleting files. If a record cannot be written, it waits in memory, and no further answer is given
// until it and those behind it are on disk.

import { appendFileSync, createReadStream, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { TiefsucheError } from '../errors.ts';
import { homeFolder } from '../home.ts';

export const auditRecordSchema = z.object({
  time: z.string(), id: z.string(), user: z.string(), model: z.string(), weights_sha256: z.string().nullable(),
  choices: z.int(), prompt_tokens: z.int(), cached_tokens: z.int(), completion_tokens: z.int(), reasoning_tokens: z.int(),
  seconds: z.number(), joules: z.number().nullable(), energy_method: z.string(),
  finish: z.array(z.string()).describe('Of every choice: stop, length, tool_calls, client (it left), refused.'),
  messages: z.array(z.unknown()).optional(), answers: z.array(z.object({ thinking: z.string(), content: z.string(), calls: z.array(z.unknown()) })).optional(),
});
export type AuditRecord = z.output<typeof auditRecordSchema>;

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

/** The days that have records, in order. */
export const auditDays = (home: string = homeFolder()): string[] => (existsSync(auditFolder(home)) ? readdirSync(auditFolder(home)).flatMap((f) => dayFile.exec(f)?.[1] ?? []).sort() : []);

const isDay = (text: string): boolean => /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text)) && new Date(text).toISOString().slice(0, 10) === text;

function checkDay(text: string): void {
  if (!isDay(text)) throw new TiefsucheError('USAGE', `"${text}" is no day`, { hint: 'Write it as 2026-01-31.' });
}

/** UTC days, both included. */
export interface AuditFilter { readonly from?: string | undefined; readonly to?: string | undefined; readonly user?: string | undefined }

/** Records, oldest first, line by line, so that a server goes on answering meanwhile; a line cut short by a crash is passed over. */
export async function* readAudit(home: string = homeFolder(), { from = '0000-01-01', to = '9999-12-31', user }: AuditFilter = {}): AsyncGenerator<AuditRecord> {
  for (const day of [from, to]) checkDay(day);
  for (const day of auditDays(home)) {
    if (day < from || day > to) continue;
    for await (const line of createInterface({ input: createReadStream(join(auditFolder(home), `${day}.jsonl`)) })) {
      try {
        const parsed = auditRecordSchema.safeParse(JSON.parse(line));
        if (parsed.success && (user === undefined || parsed.data.user === user)) yield parsed.data;
      } catch { /* the last line of a server that was killed */ }
    }
  }
}

export const auditSumSchema = z.object({ user: z.string(), model: z.string(), answers: z.int(), prompt_tokens: z.int(), completion_tokens: z.int(), seconds: z.number(), joules: z.number() });
export type AuditSum = z.output<typeof auditSumSchema>;

/** Sums by user and model. */
export class AuditSums {
  private readonly sums = new Map<string, AuditSum>();

  add({ user, model, prompt_tokens, completion_tokens, seconds, joules }: AuditRecord): void {
    const key = JSON.stringify([user, model]), sum = this.sums.get(key) ?? { user, model, answers: 0, prompt_tokens: 0, completion_tokens: 0, seconds: 0, joules: 0 };
    this.sums.set(key, { ...sum, answers: sum.answers + 1, prompt_tokens: sum.prompt_tokens + prompt_tokens, completion_tokens: sum.completion_tokens + completion_tokens, seconds: sum.seconds + seconds, joules: sum.joules + (joules ?? 0) });
  }

  list(): AuditSum[] { return [...this.sums.values()].sort((a, b) => a.user.localeCompare(b.user) || a.model.localeCompare(b.model)); }
}

/** Deletes the records of all days before this one; says which. */
export function purgeAudit(before: string, home: string = homeFolder()): string[] {
  checkDay(before);
  const gone = auditDays(home).filter((day) => day < before);
  for (const day of gone) rmSync(join(auditFolder(home), `${day}.jsonl`));
  return gone;
}
