// Byte-pair encoding of one pre-token: the pair of neighbours with the lowest merge rank is joined, leftmost first,
// until none is left. Own code, because the library's encode() is asynchronous and the sampler and the trainer need
// ids at once; its results are tested to equal the library's.

import { TiefsucheError } from '../errors.ts';
import type { BpeModelJson } from './tokenizer-json.ts';

// Pairs of ids are packed into one exact number.
const pairBase = 2 ** 26;
const cacheLimit = 50_000;
const cachedLength = 48;
// Above this many symbols a heap is faster than scanning all pairs.
const scanLimit = 48;

export interface BpeModel {
  readonly vocab: ReadonlyMap<string, number>;
  /** Appends the ids of one pre-token. */
  encode(piece: string, out: number[]): void;
}

const malformed = (what: string): TiefsucheError => new TiefsucheError('FORMAT', `the tokenizer's model ${what}`,
  { hint: 'The tokenizer.json is damaged or belongs to another kind of tokenizer.' });

/** Builds the encoder from the `model` part of a tokenizer.json. */
export function bpeModel(model: BpeModelJson): BpeModel {
  for (const field of ['continuing_subword_prefix', 'end_of_word_suffix', 'dropout'] as const) {
    if (model[field]) throw new TiefsucheError('UNSUPPORTED', `the tokenizer's model uses ${field}`, { hint: 'Byte-level and character BPE are supported.' });
  }
  const vocab = new Map<string, number>(Object.entries(model.vocab));
  for (const [token, id] of vocab) {
    if (!Number.isInteger(id) || id < 0 || id >= pairBase) throw malformed(`gives ${JSON.stringify(token)} the id ${String(id)}`);
  }
  const ranks = new Map<number, number>(), joined = new Int32Array(model.merges.length);
  model.merges.forEach((merge, rank) => {
    const [left, right] = typeof merge === 'string' ? merge.split(' ') as [string, string] : merge;
    const a = vocab.get(left), b = vocab.get(right), both = vocab.get(left + right);
    if (a === undefined || b === undefined || both === undefined) throw malformed(`merges ${JSON.stringify(merge)}, which is not in its vocabulary`);
    ranks.set(a * pairBase + b, rank);
    joined[rank] = both;
  });
  const unk = model.unk_token == null ? undefined : vocab.get(model.unk_token);
  const byteIds = model.byte_fallback === true
    ? Array.from({ length: 256 }, (_, b) => vocab.get(`<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`)) : undefined;
  const cache = new Map<string, readonly number[]>();

  const symbolsOf = (piece: string): number[] => {
    const ids: number[] = [];
    let unknownBefore = false;
    for (const character of piece) {
      let id = vocab.get(character);
      if (id === undefined && byteIds) {
        const bytes = [...new TextEncoder().encode(character)].map((b) => byteIds[b]);
        if (bytes.every((b) => b !== undefined)) { ids.push(...bytes); unknownBefore = false; continue; }
      }
      const unknown = id === undefined;
      if (unknown) {
        if (unk === undefined || (unknownBefore && model.fuse_unk === true)) continue;
        id = unk;
      }
      ids.push(id!);
      unknownBefore = unknown;
    }
    return ids;
  };
  const compute = (piece: string): number[] => {
    const ids = symbolsOf(piece);
    return ids.length <= scanLimit ? mergeByScan(ids, ranks, joined) : mergeByHeap(ids, ranks, joined);
  };
  return {
    vocab,
    encode(piece, out) {
      if (model.ignore_merges === true) {
        const whole = vocab.get(piece);
        if (whole !== undefined) { out.push(whole); return; }
      }
      let ids = cache.get(piece);
      if (!ids) {
        ids = compute(piece);
        if (piece.length <= cachedLength) {
          if (cache.size >= cacheLimit) cache.clear();
          cache.set(piece, ids);
        }
      }
      for (const id of ids) out.push(id);
    },
  };
}

function mergeByScan(ids: number[], ranks: ReadonlyMap<number, number>, joined: Int32Array): number[] {
  for (;;) {
    let best = Infinity, at = -1;
    for (let i = 0; i + 1 < ids.length; i++) {
      const rank = ranks.get(ids[i]! * pairBase + ids[i + 1]!);
      if (rank !== undefined && rank < best) { best = rank; at = i; }
    }
    if (at < 0) return ids;
    ids.splice(at, 2, joined[best]!);
  }
}

// The same by a heap of (rank, position) over a linked list: n log n for pieces of many thousand symbols.
function mergeByHeap(ids: number[], ranks: ReadonlyMap<number, number>, joined: Int32Array): number[] {
  const n = ids.length, next = new Int32Array(n), previous = new Int32Array(n), alive = new Uint8Array(n).fill(1);
  const heap: { rank: number; at: number; left: number; right: number }[] = [];
  const before = (a: { rank: number; at: number }, b: { rank: number; at: number }): boolean => a.rank < b.rank || (a.rank === b.rank && a.at < b.at);
  const push = (at: number): void => {
    const other = next[at]!;
    if (at < 0 || other >= n) return;
    const left = ids[at]!, right = ids[other]!, rank = ranks.get(left * pairBase + right);
    if (rank === undefined) return;
    heap.push({ rank, at, left, right });
    for (let i = heap.length - 1; i > 0;) {
      const up = (i - 1) >> 1;
      if (!before(heap[i]!, heap[up]!)) break;
      [heap[i], heap[up]] = [heap[up]!, heap[i]!];
      i = up;
    }
  };
  const pop = (): { rank: number; at: number; left: number; right: number } => {
    const top = heap[0]!, last = heap.pop()!;
    if (heap.length > 0) {
      heap[0] = last;
      for (let i = 0; ;) {
        let least = i;
        for (const child of [2 * i + 1, 2 * i + 2]) if (child < heap.length && before(heap[child]!, heap[least]!)) least = child;
        if (least === i) break;
        [heap[i], heap[least]] = [heap[least]!, heap[i]!];
        i = least;
      }
    }
    return top;
  };
  for (let i = 0; i < n; i++) { next[i] = i + 1; previous[i] = i - 1; }
  for (let i = 0; i < n; i++) push(i);
  while (heap.length > 0) {
    const { rank, at, left, right } = pop(), other = next[at]!;
    // An entry is stale once either side was merged into something else.
    if (!alive[at] || other >= n || ids[at] !== left || ids[other] !== right) continue;
    ids[at] = joined[rank]!;
    alive[other] = 0;
    next[at] = next[other]!;
    if (next[at]! < n) previous[next[at]!] = at;
    push(at);
    if (previous[at]! >= 0) push(previous[at]!);
  }
  return ids.filter((_, i) => alive[i]);
}
