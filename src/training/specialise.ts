// From a person's data to a recipe that specialises a model on it: the data cleaned and counted, the metric chosen by the
// answers, every setting picked for this machine with its reason. The recipe is an ordinary one (LoRA, sft), so all that
// runs can do, resume, replay and bill, holds here too; `outcomeOf` reads from the finished run whether it was worth it.

import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TiefsucheError } from '../errors.ts';
import { writeFileAtomic } from '../durable-file.ts';
import type { TextSide } from '../models/language-model.ts';
import { thinks } from '../reasoning/thinking-models.ts';
import type { VerifierName } from '../reasoning/verifiers.ts';
import { type Example, spansOf } from './batches.ts';
import type { Dialogue } from './dialogue.ts';
import { dialogueExamples } from './dialogue-examples.ts';
import { fingerprint, readDialogues } from './data-report.ts';
import { tokenCount } from './sft-file.ts';

export type Metric = 'exact' | 'choice' | 'number' | 'bits_per_byte';

/** The data as it is trained: what was given, less what stands in it twice or in the test too. */
export interface PreparedData {
  readonly train: readonly Dialogue[];
  readonly test: readonly Dialogue[];
  /** The test was cut off the training data, for want of one. */
  readonly heldBack: boolean;
  readonly removed: { readonly duplicates: number; readonly inTest: number };
}

export interface Choice { readonly setting: string; readonly value: string; readonly why: string }

export interface Wishes { readonly epochs: number; readonly batch: number; readonly lr: number; readonly rank: number; /** All weights instead of adapters. */ readonly full: boolean; /** The base stays in the bits of its file. */ readonly fewBits: boolean; /** Layers are computed again on the way back. */ readonly recompute: boolean; readonly seed: number }

export const usualWishes: Wishes = { epochs: 3, batch: 8, lr: 1e-3, rank: 16, full: false, fewBits: false, recompute: false, seed: 1 };

/** Rows a step where nobody says: of few rows small steps, so that there are enough of them to learn by. */
export const usualBatch = (rows: number, epochs: number): number => ((rows * epochs) / usualWishes.batch < fewestSteps ? usualWishes.batch / 2 : usualWishes.batch);
const fewestSteps = 250;

/** Learning rate of adapters where nobody says: narrow models take larger steps. */
export const usualRate = (width: number): number => (width < 1024 ? 2 * usualWishes.lr : usualWishes.lr);

const answerOf = (dialogue: Dialogue): string => (dialogue.form === 'text' ? dialogue.text : String(dialogue.messages.at(-1)!.content));
/** All of a short answer, or the last line in GSM8K's manner: 1,250.50 €, #### 72. */
const endsInNumber = /(^|####)\s*[-+]?(\d{1,3}([.,]\d{3})+|\d+)([.,]\d+)?\s*[^\s\d]{0,4}$/u;
const longestAnswer = 40, mostChoices = 24;
/** Tokens, of a model that thinks before it answers, as the untouched one does. */
const roomToThink = 512;
const thousands = (n: number): string => (n < 10_000 ? String(n) : `${Math.round(n / 1000)} thousand`);

export async function prepareData(trainPath: string, testPath: string | undefined): Promise<PreparedData> {
  const once = (rows: readonly Dialogue[]): Dialogue[] => [...new Map(rows.map((d) => [fingerprint(d, 'whole'), d])).values()];
  const given = await readDialogues(trainPath);
  let train = once(given), test = testPath === undefined ? [] : await readDialogues(testPath);
  const duplicates = given.length - train.length, heldBack = testPath === undefined;
  if (heldBack) { // by their hashes: the same rows whatever their order in the file
    const sorted = [...train].sort((a, b) => (fingerprint(a, 'question') < fingerprint(b, 'question') ? -1 : 1));
    test = sorted.slice(0, Math.min(200, Math.max(1, Math.floor(sorted.length / 10))));
  }
  const asked = new Set(test.map((d) => fingerprint(d, 'question'))), kept = train.filter((d) => !asked.has(fingerprint(d, 'question')));
  const inTest = heldBack ? 0 : train.length - kept.length;
  train = kept;
  if (train.length < 8 || test.length === 0) throw new TiefsucheError('INPUT', `${train.length} rows to train and ${test.length} to test are left, which is too few to learn or to measure anything`, { hint: `${given.length} were given, ${duplicates} of them twice, ${inTest} also in the test.` });
  return { train, test, heldBack, removed: { duplicates, inTest } };
}

/** What counts as right, by what the answers look like. */
export function chooseMetric({ train, test }: Pick<PreparedData, 'train' | 'test'>): { metric: Metric; why: string } {
  const all = [...train, ...test];
  if (all.some((d) => d.form === 'text')) return { metric: 'bits_per_byte', why: 'plain text has no right answers' };
  const answers = all.map((d) => answerOf(d).trim()), share = (test: (answer: string) => boolean): number => answers.filter(test).length / answers.length;
  if (share((a) => endsInNumber.test(a)) > 0.95) return { metric: 'number', why: 'the answers end in a number: the last one counts' };
  if (share((a) => a.length <= longestAnswer) <= 0.95) return { metric: 'bits_per_byte', why: 'the answers are too long to compare letter by letter' };
  const kinds = new Set(answers.map((a) => a.toLowerCase())).size;
  if (kinds > mostChoices || kinds > answers.length / 5) return { metric: 'exact', why: 'the answers are short: the very words count' };
  return { metric: 'choice', why: `there are ${kinds} different answers; always giving the commonest is right in ${Math.round(100 * guessed(train, test))} %` };
}

/** Share of the test that is answered by the commonest answer of the training rows. */
function guessed(train: readonly Dialogue[], test: readonly Dialogue[]): number {
  const kindOf = (d: Dialogue): string => answerOf(d).trim().toLowerCase(), counts = new Map<string, number>();
  for (const d of train) counts.set(kindOf(d), (counts.get(kindOf(d)) ?? 0) + 1);
  const commonest = [...counts].sort((a, b) => b[1] - a[1])[0]?.[0];
  return test.length === 0 ? 0 : test.filter((d) => kindOf(d) === commonest).length / test.length;
}

const verifierOf: Readonly<Record<Metric, VerifierName>> = { exact: 'exact', choice: 'choice', number: 'last_number', bits_per_byte: 'exact' };

export interface Plan {
  readonly recipe: string;
  readonly metric: Metric;
  readonly choices: readonly Choice[];
  readonly steps: number;
  readonly tested: number;
  /** Of the answers that the held-out loss is measured on: targets and bytes, to turn nats a token into bits a byte. */
  readonly scored: { readonly targets: number; readonly bytes: number };
}

/** Whether the vocabulary has what the file is written in. */
function reads({ tokenizer }: TextSide, path: string): boolean {
  const text = readFileSync(path, 'utf8').slice(0, 2000);
  return tokenizer.decode(tokenizer.encode(text)) === text;
}

/** The data as this model reads them. */
export interface EncodedData {
  readonly train: readonly Example[];
  readonly test: readonly Example[];
  /** Tokens of the longest answer of the test. */
  readonly longestAnswer: number;
  /** What general texts come from, if the vocabulary can read them; a model for digits, say, forgets no English. */
  readonly general: string | null;
}

/** @param general a file of general instructions */
export function encodeData(side: TextSide, data: PreparedData, general: string): EncodedData {
  const examplesOf = (rows: readonly Dialogue[], what: string): Example[] => rows.flatMap((d, i) => dialogueExamples(side, d, `${what} row ${i + 1}`));
  return { train: examplesOf(data.train, 'training'), test: examplesOf(data.test, 'test'), longestAnswer: Math.max(...data.test.map((d) => side.tokenizer.encode(answerOf(d)).length)), general: reads(side, general) ? general : null };
}

/** Writes the cleaned data into `folder`, where the recipe reads them from. */
export function writeData(data: PreparedData, folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const [file, rows] of [['train', data.train], ['test', data.test]] as const) writeFileAtomic(join(folder, `${file}.jsonl`), rows.map((d) => `${JSON.stringify(d.form === 'text' ? { text: d.text } : { messages: d.messages, ...(d.tools && { tools: d.tools }) })}\n`).join(''));
}

/** Tokens of the longest row that the model can read. */
export const longestRow = ({ train }: EncodedData, maxPositions: number): number => Math.min(maxPositions, Math.max(2, ...train.map((e) => e.ids.length)));

export interface PlanSettings { readonly name: string; readonly model: string; readonly folder: string; readonly maxPositions: number; /** Some of its layers are routed experts, which take no adapters. */ readonly experts: boolean; /** Of one pass. */ readonly microTokens: number }

/** The recipe, whose data lie in `folder`. */
export function makePlan(side: TextSide, data: PreparedData, { train, test, longestAnswer: longest, general }: EncodedData, { name, model, folder, maxPositions, experts, microTokens }: PlanSettings, wishes: Wishes): Plan {
  const { metric, why } = chooseMetric(data), maxTokens = longestRow({ train, test, longestAnswer: longest, general }, maxPositions);
  const fitting = train.filter((e) => e.ids.length <= maxTokens), left = train.length - fitting.length;
  const scored = test.filter((e) => e.ids.length <= maxTokens).slice(0, 200);
  if (scored.length === 0) throw new TiefsucheError('INPUT', `every test row is longer than the model's ${maxPositions} positions`);
  const steps = Math.max(1, Math.ceil((fitting.length * wishes.epochs) / wishes.batch)), tested = metric === 'bits_per_byte' ? Math.min(20, data.test.length) : Math.min(200, data.test.length);
  const promptRoom = Math.max(...test.map((e) => e.from)) + 8, perPass = Math.max(microTokens, maxTokens);
  const maxNew = (metric === 'bits_per_byte' ? 128 : Math.min(512, 2 * longest + 8)) + (thinks(side) ? roomToThink : 0);
  const talks = !data.test.some((d) => d.form === 'text');
  const recipe = {
    name, why: `specialise ${model} on ${data.train.length} rows of ${name}`, seed: wishes.seed, model: { from: model },
    ...(!wishes.full && { lora: { rank: wishes.rank, alpha: 2 * wishes.rank, ...(wishes.fewBits && { base: 'file' }) } }),
    ...(wishes.recompute && { recompute: true }),
    stages: [{
      method: 'sft', steps, batch: wishes.batch, micro_tokens: perPass,
      data: { file: join(folder, 'train.jsonl'), test_file: join(folder, 'test.jsonl'), max_tokens: maxTokens },
      optimizer: { lr: wishes.full ? wishes.lr / 10 : wishes.lr, weight_decay: 0 }, schedule: { warmup: Math.min(10, Math.ceil(steps / 10)), decay: 'linear', floor: 0.1 },
      heldout_every: Math.max(1, Math.ceil(steps / 2)), heldout_size: scored.length, heldout_at_start: true,
      heldout_also: general === null ? [] : [{ name: 'general', file: general, max_tokens: maxPositions }],
    }],
    evaluation: talks ? {
      at_start: true, n: tested, max_prompt_tokens: Math.min(promptRoom, maxPositions - 1), max_new_tokens: Math.max(1, Math.min(maxNew, maxPositions - promptRoom)), shown: 20,
      problems: { tasks: [{ task: name, file: join(folder, 'train.jsonl'), test_file: join(folder, 'test.jsonl'), verifier: verifierOf[metric], thinking: false }], languages: ['en'] },
    } : {},
    checkpoints: { every: Math.max(10, Math.ceil(steps / 4)) },
  };
  const choices: Choice[] = [
    { setting: 'metric', value: metric.replaceAll('_', ' '), why },
    { setting: 'trained', value: wishes.full ? 'all weights' : `LoRA of rank ${wishes.rank} on every linear layer${experts ? ' but the routed experts' : ''}`, why: wishes.full ? 'as asked' : 'a small part of the memory and two thirds of the work of training all weights' },
    ...(wishes.fewBits && !wishes.full ? [{ setting: 'base', value: 'in the bits of its file', why: 'less memory, the same numbers' }] : []),
    ...(wishes.recompute ? [{ setting: 'layers', value: 'computed twice', why: 'less memory, the same numbers, more time' }] : []),
    { setting: 'learning rate', value: String(recipe.stages[0]!.optimizer.lr), why: wishes.full ? 'a tenth of what adapters take' : 'what adapters of a model this wide take, ten times what all weights would; falling to a tenth' },
    { setting: 'steps', value: `${steps} of ${wishes.batch} rows`, why: `every row ${wishes.epochs === 1 ? 'once' : `${wishes.epochs} times`}, ${thousands(wishes.epochs * tokenCount(fitting))} tokens in all${wishes.batch < usualWishes.batch ? '; few rows: small steps, so that there are enough of them' : ''}` },
    { setting: 'length', value: `${maxTokens} tokens`, why: left > 0 ? `${left} rows are longer than the model reads and are left out` : 'the longest row' },
    perPass >= wishes.batch * maxTokens ? { setting: 'in one pass', value: 'a whole step', why: 'it fits the free memory' } : { setting: 'in one pass', value: `${perPass} tokens`, why: 'as many as fit the free memory' },
  ];
  const bytes = scored.reduce((n, e) => n + spansOf(e).reduce((sum, [from, to]) => sum + Buffer.byteLength(side.tokenizer.decode(e.ids.subarray(from, to), { skipSpecial: true })), 0), 0);
  return { recipe: JSON.stringify(recipe), metric, choices, steps, tested, scored: { targets: scored.reduce((n, e) => n + spansOf(e).reduce((sum, [from, to]) => sum + to - from, 0), 0), bytes } };
}
