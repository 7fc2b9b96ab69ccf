// What the ledger can say about a run: it started, it did some work, it ended. A tick tells what was done SINCE THE LAST
// TICK, so a sum over ticks is the bill, and steps that a crash threw away stay in it. Other events join the table below.
// Numbers carry a grade: measured by an instrument > counted by the program > estimated by a formula > declared by a person.
import { z } from 'zod';

export const grades = ['measured', 'counted', 'estimated', 'declared'] as const;
export type Grade = (typeof grades)[number];
export const outcomes = ['completed', 'failed', 'aborted'] as const;
export type Outcome = (typeof outcomes)[number];

const hash = z.string().regex(/^[0-9a-f]{64}$/, 'expected a SHA-256 in hexadecimal');
const amount = z.number().min(0);
const process = z.strictObject({ pid: z.int(), started: z.string().nullable(), boot: z.string().nullable(), host: z.string() });
const json = z.record(z.string(), z.json());

/** A number a person or a publisher vouches for. */
const declared = z.strictObject({ value: amount, source: z.string(), year: z.int().optional() });
export type Declared = z.infer<typeof declared>;

/** Energy of one tick from one meter. `value` in joules; null: the meter failed during this tick, `note` says why. */
const energyReading = z.strictObject({
  method: z.string(), grade: z.enum(grades), value: amount.nullable(),
  /** Joules by domain, when the meter has several (package-0, dram, …). */
  parts: z.record(z.string(), amount).optional(),
  note: z.string().optional(),
});
export type EnergyReading = z.infer<typeof energyReading>;

/** What a run grew from. `trial`: an earlier attempt at the same goal whose weights were not used but whose cost belongs here. */
const parent = z.strictObject({
  relation: z.enum(['weights', 'data', 'trial']),
  /** Run id when it was made here, else null, and `path` and `sha256` say what it was. */
  run: z.string().nullable(), path: z.string().optional(), sha256: hash.optional(), name: z.string().optional(),
});
export type Parent = z.infer<typeof parent>;

const runStart = z.strictObject({
  /** Run id (unique in this workspace), the name it goes by, and which attempt this is (1, 2, …). */
  run: z.string(), name: z.string(), attempt: z.int().min(1),
  /** One line: what the run is for. */
  why: z.string(),
  /** Resumed: the step whose checkpoint this attempt continues from. */
  resumed_from: z.strictObject({ step: z.int().min(0), checkpoint_sha256: hash.nullable() }).nullable(),
  parents: z.array(parent),
  recipe: json, recipe_sha256: hash,
  seeds: z.record(z.string(), z.union([z.number(), z.string()])),
  model: z.strictObject({ type: z.string(), params_total: z.int(), params_active: z.int() }).optional(),
  code: z.strictObject({ version: z.string(), commit: z.string().nullable(), changed: z.boolean().nullable(), lockfile_sha256: hash.nullable() }),
  hardware: json,
  prices: z.strictObject({
    electricity_eur_per_kwh: declared,
    hardware: z.strictObject({ eur: amount, lifetime_hours: z.number().positive(), source: z.string() }).nullable(),
  }),
  grid_g_per_kwh: declared,
  /** Meters in use, and those that could not be used with the reason. */
  meters: z.strictObject({
    used: z.array(z.strictObject({ name: z.string(), grade: z.enum(grades), covers: z.string(), formula: z.string() })),
    refused: z.array(z.strictObject({ name: z.string(), reason: z.string() })),
  }),
  process,
  /** Head of the workspace index when this attempt began: entries cannot be dropped from the index's end unnoticed. */
  index_sha256: hash,
});

const runTick = z.strictObject({
  /** The last step this tick covers; work between steps (evaluation, saving) repeats the step it follows. */
  step: z.int().min(0),
  phase: z.enum(['setup', 'train', 'evaluate', 'save']),
  stage: z.string().optional(),
  tokens: z.strictObject({ trained: amount, sampled: amount }),
  loss: z.number().nullable(), reward: z.number().nullable().optional(),
  /** Multiply-add = 2. `model`: forward and backward of training; `recompute`: done twice to save memory; `sampling`: rollouts. */
  flop: z.strictObject({ model: amount, recompute: amount, sampling: amount }),
  /** Wall clock, and processor time of all threads of this process. */
  seconds: amount, cpu_seconds: amount,
  joules: z.array(energyReading),
});

const runEnd = z.strictObject({
  outcome: z.enum(outcomes),
  step: z.int().min(0),
  checkpoint_sha256: hash.nullable(),
  error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
  /** `successor`: the run died without a word and a later start closed its record. */
  closed_by: z.enum(['self', 'successor']),
});

/** A torn last record, left by a crash in the middle of a write, was cut off before writing went on. */
const repair = z.strictObject({ bytes_dropped: z.int().min(1), sha256_dropped: hash });

/** Workspace index: an attempt's file was opened; `first_sha256` is the hash of its first record. */
const attemptOpened = z.strictObject({
  run: z.string(), name: z.string(), attempt: z.int(), file: z.string(), first_sha256: hash, process,
});
/** Workspace index: an attempt's file is complete; later changes to it, its loss included, can be told. */
const attemptClosed = z.strictObject({ run: z.string(), attempt: z.int(), file: z.string(), records: z.int(), head_sha256: hash.nullable() });

export const eventSchemas = {
  'run.start': runStart, 'run.tick': runTick, 'run.end': runEnd, 'ledger.repair': repair,
  'attempt.opened': attemptOpened, 'attempt.closed': attemptClosed,
} as const;

export type EventName = keyof typeof eventSchemas;
export type EventBody<N extends EventName> = z.infer<(typeof eventSchemas)[N]>;
export type RunStart = EventBody<'run.start'>;
export type RunTick = EventBody<'run.tick'>;
export type RunEnd = EventBody<'run.end'>;

/** Around every event: its place in the chain. `prev` is the SHA-256 of the record before, or 64 zeros for the first. */
export interface Envelope { seq: number; time: string; prev: string }
export type LedgerRecord = { [N in EventName]: Envelope & { event: N } & EventBody<N> }[EventName];
export type RecordOf<N extends EventName> = Envelope & { event: N } & EventBody<N>;

const envelope = { seq: z.int().min(0), time: z.iso.datetime(), prev: hash };

/** What is wrong with a record's fields, in words; empty when nothing is. Unknown events are fine: newer versions write them. */
export function faultsOf(record: unknown): string[] {
  const event = (record as { event?: unknown } | null)?.event;
  const schema = typeof event === 'string' && Object.hasOwn(eventSchemas, event) ? eventSchemas[event as EventName] : undefined;
  const full = schema ? schema.extend({ ...envelope, event: z.string() }) : z.looseObject({ ...envelope, event: z.string() });
  const result = full.safeParse(record);
  return result.success ? [] : result.error.issues.map((i) => `${i.path.join('.')}: ${i.message}`);
}
