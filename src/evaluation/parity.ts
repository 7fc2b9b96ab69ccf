// Whether two sides compute the same model: logits of the same positions compared, and a greedy continuation.
//   top-1: share of positions with one likeliest token; where it differs, by which margin of probability: how much less
//   likely the first side holds the other's choice. KL(first ‖ second) in nats, mean and largest.

import type { Backend } from '../engine/backend.ts';
import { openLanguageModel, type LanguageModel, promptIds, stopIds } from '../models/language-model.ts';
import { logitsOf } from '../models/logits.ts';
import { Answerer } from '../reasoning/generate.ts';
import { type ProofTexts, proofTexts } from './parity-texts.ts';

/** What one side made of the texts. */
export interface Side {
  readonly engine: string;
  /** Ids of each text, and of the conversation where there is one. */
  readonly texts: readonly (readonly number[])[];
  readonly template: string | undefined;
  /** Ids that end an answer, and of them the one the model's files name as its end token. */
  readonly ends: readonly number[];
  readonly end: number | null;
  /** Ids of the first text with what the side puts around a text by itself (a token of beginning, one of end). */
  readonly framed: readonly number[];
  /** Ids of the conversation as the model gets it to answer; null where there is none. */
  readonly chat: readonly number[] | null;
  readonly vocab: number;
  /** (T, V), one sequence after another. */
  readonly logits: Float32Array;
  readonly greedy: readonly number[];
}

/** What both sides are asked. */
export interface Questions extends ProofTexts {
  /** All texts, the rendered conversation last. */
  readonly asked: readonly string[];
  /** Sequences whose logits are compared. */
  readonly ids: readonly (readonly number[])[];
  readonly prompt: readonly number[];
  readonly maxNew: number;
  /** Position, among all of `ids`, of the row that chooses the first token of the continuation. */
  readonly continuationAt: number;
}

const longestSequence = 160;

/** The last sequence is the prompt with the model's own greedy continuation, so that its choices are among the positions compared. */
export async function questionsFor(language: LanguageModel): Promise<Questions> {
  const proof = proofTexts(language), asked = [...proof.texts, ...(proof.conversation === null ? [] : [proof.conversation])];
  const room = Math.min(longestSequence, language.model.maxPositions - 40), ids = asked.map((t) => [...language.tokenizer.encode(t)].slice(0, room)).filter((s) => s.length > 0);
  const prompt = proof.conversation === null ? (ids[0] ?? []).slice(0, 16) : ids.pop()!, maxNew = Math.min(32, language.model.maxPositions - prompt.length);
  const before = ids.reduce((n, s) => n + s.length, 0);
  return { ...proof, asked, ids: [...ids, [...prompt, ...await continuation(language, prompt, maxNew)]], prompt, maxNew, continuationAt: before + prompt.length - 1 };
}

async function continuation(language: LanguageModel, prompt: readonly number[], maxTokens: number): Promise<number[]> {
  const answerer = new Answerer(language);
  const { completion } = await answerer.complete(Int32Array.from(prompt), { maxTokens, sampler: { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0 } });
  answerer.close();
  return [...completion.tokens];
}

/** Our own engine on a model. */
async function sideOf(language: LanguageModel, { ids, prompt, maxNew, asked, conversation, messages }: Questions): Promise<Side> {
  const parts: Float32Array[] = [];
  for (const sequence of ids) parts.push(await logitsOf(language.model, Int32Array.from(sequence)));
  const logits = new Float32Array(parts.reduce((n, p) => n + p.length, 0));
  parts.reduce((at, p) => { logits.set(p, at); return at + p.length; }, 0);
  const ends = stopIds(language);
  return {
    engine: 'tiefsuche', vocab: language.model.dims.vocab, logits, greedy: await continuation(language, prompt, maxNew), template: language.chatTemplate,
    texts: asked.map((t) => [...language.tokenizer.encode(t)]), ends, end: language.tokenizer.specialTokens.eos ?? ends[0] ?? null,
    framed: [...language.tokenizer.encode(asked[0]!, { addSpecialTokens: true })], chat: conversation === null ? null : [...promptIds(language, messages)],
  };
}

/** Our own engine on a model, its weights in f32; it also makes the questions where there are none yet. */
export async function ourSide(backend: Backend, path: string, questions: Questions | null, adapter?: string): Promise<{ side: Side; questions: Questions }> {
  const language = openLanguageModel(backend, path, { adapter, maxPositions: 512 });
  try {
    const asked = questions ?? await questionsFor(language);
    return { side: await sideOf(language, asked), questions: asked };
  } finally {
    language.model.close();
  }
}

export interface Comparison {
  readonly positions: number;
  /** Share of positions with the same likeliest token. */
  readonly top1: number;
  readonly disagreements: readonly { readonly position: number; readonly margin: number }[];
  readonly largestMargin: number;
  readonly meanKl: number;
  readonly largestKl: number;
  readonly largestLogitDifference: number;
  readonly greedy: { readonly same: boolean; readonly tokens: number; readonly differsAt?: number };
}

/** Compares the logits and continuations of two sides; their vocabularies must have one size. A NaN on either side makes NaN of what it is in. */
export function compareSides(a: Side, b: Side): Comparison {
  const V = a.vocab, positions = a.logits.length / V, disagreements: { position: number; margin: number }[] = [];
  let klSum = 0, largestKl = 0, largestLogitDifference = 0;
  for (let p = 0; p < positions; p++) {
    const x = a.logits.subarray(p * V, (p + 1) * V), y = b.logits.subarray(p * V, (p + 1) * V);
    const [topX, sumX] = peak(x), [topY, sumY] = peak(y);
    let kl = 0;
    for (let i = 0; i < V; i++) {
      const q = Math.exp(x[i]! - sumX);
      if (q !== 0) kl += q * (x[i]! - sumX - y[i]! + sumY);
      largestLogitDifference = Math.max(largestLogitDifference, Math.abs(x[i]! - y[i]!));
    }
    klSum += kl;
    largestKl = Math.max(largestKl, kl);
    if (topX !== topY) disagreements.push({ position: p, margin: Math.exp(x[topX]! - sumX) - Math.exp(x[topY]! - sumX) });
  }
  let differsAt = 0;
  while (differsAt < Math.max(a.greedy.length, b.greedy.length) && a.greedy[differsAt] === b.greedy[differsAt]) differsAt++;
  const same = differsAt === a.greedy.length && differsAt === b.greedy.length;
  return {
    positions, top1: 1 - disagreements.length / positions, disagreements, largestMargin: disagreements.reduce((m, d) => Math.max(m, d.margin), 0),
    meanKl: Math.max(0, klSum / positions), largestKl, largestLogitDifference, greedy: { same, tokens: a.greedy.length, ...(!same && { differsAt }) },
  };
}

/** Index of the largest value, and the logarithm of the sum of exponentials. */
function peak(row: Float32Array): [top: number, logSum: number] {
  let top = 0, sum = 0;
  for (let i = 1; i < row.length; i++) if (row[i]! > row[top]!) top = i;
  for (let i = 0; i < row.length; i++) sum += Math.exp(row[i]! - row[top]!);
  return [top, row[top]! + Math.log(sum)];
}
