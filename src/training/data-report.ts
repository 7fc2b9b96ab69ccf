// What a file of training data is to a model: its forms, its tokens, how many of them are trained, rows that stand in it
// twice or in the test file too.

import { createHash } from 'node:crypto';
import { TiefsucheError } from '../errors.ts';
import type { TextSide } from '../models/language-model.ts';
import { type Example, targetCount } from './batches.ts';
import { type DataForm, type Dialogue, dialogueOf } from './dialogue.ts';
import { dialogueExamples } from './dialogue-examples.ts';
import { placedRows } from './rows-file.ts';

export interface DataReport {
  /** All of the file, those that cannot be trained on included. */
  readonly rows: number;
  readonly forms: Readonly<Partial<Record<DataForm, number>>>;
  readonly examples: number;
  readonly tokens: number;
  readonly trained_tokens: number;
  readonly length: { readonly median: number; readonly p95: number; readonly longest: number };
  /** Rows that say the same as an earlier one. */
  readonly duplicates: number;
  /** Rows whose question, or text, stands in the test file too; null without one. */
  readonly in_test: number | null;
  /** Rows that cannot be trained on, and why. */
  readonly refused: readonly { readonly where: string; readonly why: string }[];
}

export interface InspectedRow { /** Its number among all rows, from 1. */ readonly row: number; readonly example: Example }

/** Reads all rows of a file and goes on behind those that cannot be trained on; `examples` are in the order of the rows. */
export async function inspectData(side: TextSide, path: string, testPath?: string): Promise<{ report: DataReport; examples: InspectedRow[] }> {
  const rows = await placedRows(path), dialogues: Dialogue[] = [], examples: InspectedRow[] = [], refused: { where: string; why: string }[] = [];
  let first: TiefsucheError | undefined;
  if (rows.length === 0) throw new TiefsucheError('INPUT', `${path} has no rows`);
  for (const [i, { where, get }] of rows.entries()) {
    try {
      const dialogue = dialogueOf(get(), where), own = dialogueExamples(side, dialogue, where);
      dialogues.push(dialogue);
      examples.push(...own.map((example) => ({ row: i + 1, example })));
    } catch (error) {
      if (!(error instanceof TiefsucheError)) throw error;
      first ??= error;
      refused.push({ where, why: error.message });
    }
  }
  if (dialogues.length === 0) throw first!;
  const forms: Partial<Record<DataForm, number>> = {};
  for (const { form } of dialogues) forms[form] = (forms[form] ?? 0) + 1;
  const lengths = examples.map(({ example }) => example.ids.length).sort((a, b) => a - b), at = (share: number): number => lengths[Math.min(lengths.length - 1, Math.floor(share * lengths.length))]!;
  const tested = testPath === undefined ? null : new Set((await readDialogues(testPath)).map((d) => fingerprint(d, 'question')));
  return {
    examples,
    report: {
      rows: rows.length, forms, examples: examples.length, tokens: lengths.reduce((a, b) => a + b, 0),
      trained_tokens: examples.reduce((n, { example }) => n + targetCount(example), 0),
      length: { median: at(0.5), p95: at(0.95), longest: lengths.at(-1)! },
      duplicates: dialogues.length - new Set(dialogues.map((d) => fingerprint(d, 'whole'))).size,
      in_test: tested && dialogues.filter((d) => tested.has(fingerprint(d, 'question'))).length,
      refused,
    },
  };
}

/** What the rows of a file say; one at least. */
export async function readDialogues(path: string): Promise<Dialogue[]> {
  const dialogues = (await placedRows(path)).map(({ where, get }) => dialogueOf(get(), where));
  if (dialogues.length === 0) throw new TiefsucheError('INPUT', `${path} has no rows`);
  return dialogues;
}

/** Alike for rows that differ in case and white space only. `question`: all before the last answer. */
export function fingerprint(dialogue: Dialogue, part: 'question' | 'whole'): string {
  const said = dialogue.form === 'text' ? [dialogue.text]
    : (part === 'whole' ? dialogue.messages : dialogue.messages.slice(0, -1)).map((m) => `${m.role}: ${typeof m.content === 'string' ? m.content : JSON.stringify(m.content)}`);
  return createHash('sha256').update(said.map((s) => s.toLowerCase().replace(/\s+/gu, ' ').trim()).join('\n')).digest('hex');
}
