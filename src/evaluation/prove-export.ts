// The parity proof of an export. Three comparisons, kept apart:
//   format loss: our engine on the model against our engine on the exported file (what rounding to the format costs);
//   engine difference: our engine on the exported file against the other engine on it (what another implementation changes);
//   text: template bytes, token ids, what each side puts around a text and a chat prompt by itself, and the tokens that end
//     an answer, through all three.
// Limits: F32 must be the same bits in our engine, and top-1 ≥ 99.5 % with every disagreement below 0.02 of probability in the
// other's; a merged adapter rounds differently than one that is computed apart. Quantised files are computed with activations
// of 8 bits in llama.cpp. What a format may lose and engines may differ by is set from measurement (docs/export.md).

import type { Backend } from '../engine/backend.ts';
import { isTiefsucheError } from '../errors.ts';
import { type Comparison, compareSides, ourSide, type Questions, type Side } from './parity.ts';
import type { Found } from './other-engines.ts';

export interface Limits { readonly top1?: number; readonly margin: number; readonly meanKl: number }

/** What another engine may differ on one and the same file. */
export function engineLimits(format: string): Limits {
  if (format === 'F32') return { top1: 0.995, margin: 0.02, meanKl: 1e-4 };
  if (format === 'F16') return { margin: 0.02, meanKl: 1e-4 };
  if (format === 'BF16') return { margin: 0.05, meanKl: 2e-3 };
  return { margin: 0.5, meanKl: 0.05 };
}

/** Mean KL that rounding to a format may cost, nats; F32: of merging an adapter. */
const lossLimits: Readonly<Record<string, number>> = { F32: 1e-8, F16: 1e-4, BF16: 1e-3, Q8_0: 0.02, Q6_K: 0.1, Q5_K: 0.6, Q4_K: 0.6 };

export interface ParityProof {
  readonly passed: boolean;
  /** Why not; empty if it passed. */
  readonly problems: readonly string[];
  readonly format: string;
  readonly texts: { readonly language: string; readonly count: number; readonly positions: number; readonly conversation: boolean };
  readonly template: { readonly bytes: number; readonly same: boolean } | null;
  readonly tokens: { readonly same: boolean; readonly count: number };
  /** Ids that end an answer in the model, and in the export for each engine. */
  readonly ends: readonly (readonly number[])[];
  readonly formatLoss: Comparison;
  readonly engineDifference: Comparison | null;
  readonly engines: readonly string[];
  /** The half that could not be done, and why; null if both were. */
  readonly missing: string | null;
  readonly limits: Limits & { /** Of mean KL. */ readonly formatLoss: number };
}

export interface Exported {
  /** What our engine reads back. */
  readonly path: string;
  readonly adapter?: string;
  readonly format: string;
  /** Whether our reading back must give the same bits as the source. */
  readonly exact: boolean;
}

export async function proveExport(backend: Backend, source: { readonly path: string; readonly adapter?: string | undefined }, exported: Exported, other: Found, progress: (what: string) => void = () => {}): Promise<ParityProof> {
  const problems: string[] = [], limits = { ...engineLimits(exported.format), formatLoss: exported.exact ? 0 : lossLimits[exported.format]! };
  progress('our engine on the model');
  const { side: before, questions } = await ourSide(backend, source.path, null, source.adapter);
  progress('our engine on the export');
  const { side: after } = await ourSide(backend, exported.path, questions, exported.adapter);
  const formatLoss = compareSides(before, after);
  if (exported.exact && !(formatLoss.largestLogitDifference <= 0)) problems.push(`our engine computes other numbers from the export: up to ${formatLoss.largestLogitDifference.toExponential(1)} in a logit`);
  if (!exported.exact && !(formatLoss.meanKl <= limits.formatLoss)) problems.push(`${exported.format === 'F32' ? 'merging the adapter' : `rounding to ${exported.format}`} changes the model: mean KL ${formatLoss.meanKl.toExponential(1)}, limit ${limits.formatLoss}`);

  let theirs: Side | null = null;
  if ('run' in other) {
    progress('the other engine on the export');
    try {
      theirs = exported.adapter === undefined ? await other.run(exported.path, questions) : await other.run(exported.adapter, questions, exported.path);
    } catch (error) {
      if (!isTiefsucheError(error) || error.code !== 'MISMATCH') throw error;
      problems.push(error.message); // it cannot use the export: that is what the proof was to find out
    }
  }
  const sides = [after, ...(theirs ? [theirs] : [])];
  for (const side of sides) problems.push(...textProblems(before, side, questions));
  let engineDifference: Comparison | null = null;
  if (theirs && theirs.vocab !== after.vocab) problems.push(`${theirs.engine} sees ${theirs.vocab} tokens, the model has ${after.vocab}`);
  else if (theirs) {
    engineDifference = compareSides(after, theirs);
    problems.push(...numberProblems(engineDifference, limits, theirs.engine, questions));
  }
  return {
    passed: problems.length === 0, problems, format: exported.format,
    texts: { language: questions.language, count: questions.asked.length, positions: formatLoss.positions, conversation: questions.conversation !== null },
    template: before.template === undefined ? null : { bytes: Buffer.byteLength(before.template), same: sides.every((s) => s.template === before.template) },
    tokens: { same: sides.every((s) => JSON.stringify(s.texts) === JSON.stringify(before.texts)), count: before.texts.reduce((n, t) => n + t.length, 0) },
    ends: [before, ...sides].map((s) => s.ends), formatLoss, engineDifference, engines: ['tiefsuche', ...(theirs ? [theirs.engine] : [])], missing: 'missing' in other ? other.missing : null, limits,
  };
}

function textProblems(before: Side, side: Side, { asked }: Questions): string[] {
  const problems: string[] = [];
  if (side.template !== before.template) problems.push(`${side.engine} reads another chat template from the export`);
  before.texts.forEach((ids, i) => {
    const got = side.texts[i] ?? [], at = ids.findIndex((id, k) => got[k] !== id);
    if (at >= 0 || got.length !== ids.length) problems.push(`${side.engine} cuts text ${i + 1} (${JSON.stringify(asked[i]!.slice(0, 24))}…) into other tokens, from token ${(at < 0 ? ids.length : at) + 1}`);
  });
  const missed = before.ends.filter((id) => !side.ends.includes(id));
  if (missed.length > 0) problems.push(`${side.engine} does not end an answer at the token ${missed.join(', ')} (ends of the model: ${before.ends.join(', ')}; there: ${side.ends.join(', ')})`);
  if (before.ends.length > 0 && (side.end === null || !before.ends.includes(side.end))) problems.push(`${side.engine} reads ${side.end ?? 'nothing'} as the end token, where an answer of the model ends at ${before.ends.join(', ')}`);
  if (!same(side.framed, before.framed)) problems.push(`${side.engine} puts other tokens around a text: ${shown(side.framed)} where the model has ${shown(before.framed)}`);
  // What begins every text may begin a chat prompt whose template does not write it, but once.
  const [begin] = before.framed, own = begin !== undefined && begin !== before.texts[0]![0] && before.chat?.[0] !== begin ? [begin] : [];
  if (before.chat !== null && !same(side.chat ?? [], before.chat) && !same(side.chat ?? [], [...own, ...before.chat])) problems.push(`${side.engine} gives the model another chat prompt: ${shown(side.chat ?? [])} where it should be ${shown(before.chat)}`);
  return problems;
}

const same = (a: readonly number[], b: readonly number[]): boolean => a.length === b.length && a.every((id, i) => id === b[i]);
const shown = (ids: readonly number[]): string => `[${ids.length <= 6 ? ids.join(', ') : `${ids.slice(0, 3).join(', ')}, …, ${ids.slice(-2).join(', ')}`}]`;

function numberProblems(c: Comparison, { top1, margin, meanKl }: Limits, engine: string, { continuationAt }: Questions): string[] {
  const problems: string[] = [];
  if (top1 !== undefined && !(c.top1 >= top1)) problems.push(`${engine} agrees on ${(100 * c.top1).toFixed(2)} % of the likeliest tokens, below ${100 * top1} %`);
  if (!(c.largestMargin <= margin)) problems.push(`${engine} chooses another token where ours is ahead by ${c.largestMargin.toFixed(3)} of probability, limit ${margin}`);
  if (!(c.meanKl <= meanKl)) problems.push(`${engine} differs by a mean KL of ${c.meanKl.toExponential(1)}, limit ${meanKl}`);
  const { greedy } = c;
  // A continuation may part only where the choice was close, and then that position is among the disagreements.
  if (!greedy.same && top1 !== undefined && !c.disagreements.some((d) => d.position === continuationAt + greedy.differsAt!)) problems.push(`${engine} continues differently from token ${greedy.differsAt! + 1} on`);
  return problems;
}
