// The core of BPE training: counts of neighbouring pairs over all distinct pieces, kept up to date merge by merge.
// A pair's pieces are remembered, so a merge touches only those; a heap with stale entries gives the next pair.

const pairBase = 2 ** 26;

interface Candidate { readonly count: number; readonly pair: number }

const better = (a: Candidate, b: Candidate): boolean => a.count > b.count || (a.count === b.count && a.pair < b.pair);

/**
 * Merges in the order they are learned, at most `limit`. `base` are the single symbols, in id order; tokens named in
 * `reserved` are never formed.
 */
export function learnMerges(pieces: ReadonlyMap<string, number>, base: readonly string[], limit: number, minFrequency: number,
  reserved: ReadonlySet<string> = new Set()): [string, string][] {
  const tokens = base.slice(), idOf = new Map(tokens.map((t, id) => [t, id])), words: number[][] = [], weights: number[] = [];
  // Sorted, so that the order of the texts does not matter.
  for (const piece of [...pieces.keys()].sort()) {
    const ids = [...piece].map((c) => idOf.get(c)!);
    if (ids.length > 1) { words.push(ids); weights.push(pieces.get(piece)!); }
  }
  const counts = new Map<number, number>(), places = new Map<number, Set<number>>(), heap = new CandidateHeap();
  const add = (a: number, b: number, word: number, times: number): number => {
    const pair = a * pairBase + b, count = (counts.get(pair) ?? 0) + times * weights[word]!;
    counts.set(pair, count);
    if (times > 0) {
      let at = places.get(pair);
      if (!at) places.set(pair, at = new Set());
      at.add(word);
    }
    return pair;
  };
  words.forEach((ids, w) => { for (let i = 0; i + 1 < ids.length; i++) add(ids[i]!, ids[i + 1]!, w, 1); });
  for (const [pair, count] of counts) heap.push({ count, pair });

  const merges: [string, string][] = [];
  while (merges.length < limit) {
    const top = heap.pop();
    if (!top || top.count < minFrequency) break;
    const now = counts.get(top.pair) ?? 0;
    if (now !== top.count) {
      if (now > 0 && now < top.count) heap.push({ count: now, pair: top.pair });
      continue;
    }
    const right = top.pair % pairBase, left = (top.pair - right) / pairBase, joined = tokens[left]! + tokens[right]!;
    // Two merges can spell the same token ("a"+"bc", "ab"+"c"): the second would need an id that exists already.
    if (idOf.has(joined) || reserved.has(joined)) { counts.delete(top.pair); places.delete(top.pair); continue; }
    const id = tokens.length;
    tokens.push(joined);
    idOf.set(joined, id);
    merges.push([tokens[left]!, tokens[right]!]);
    const changed = new Set<number>();
    for (const w of places.get(top.pair) ?? []) {
      const ids = words[w]!, out: number[] = [];
      for (let i = 0; i < ids.length; i++) out.push(ids[i] === left && ids[i + 1] === right ? (i++, id) : ids[i]!);
      if (out.length === ids.length) continue;
      for (let i = 0; i + 1 < ids.length; i++) add(ids[i]!, ids[i + 1]!, w, -1);
      for (let i = 0; i + 1 < out.length; i++) changed.add(add(out[i]!, out[i + 1]!, w, 1));
      words[w] = out;
    }
    counts.delete(top.pair);
    places.delete(top.pair);
    for (const pair of changed) { const count = counts.get(pair) ?? 0; if (count > 0) heap.push({ count, pair }); }
  }
  return merges;
}

class CandidateHeap {
  readonly #items: Candidate[] = [];

  push(item: Candidate): void {
    const items = this.#items;
    let i = items.length;
    items.push(item);
    for (; i > 0; i = (i - 1) >> 1) {
      const up = (i - 1) >> 1;
      if (!better(item, items[up]!)) break;
      items[i] = items[up]!;
      items[up] = item;
    }
  }

  pop(): Candidate | undefined {
    const items = this.#items, top = items[0], last = items.pop();
    if (!last || items.length === 0) return top;
    for (let i = 0; ;) {
      let child = 2 * i + 1;
      if (child >= items.length) { items[i] = last; return top; }
      if (child + 1 < items.length && better(items[child + 1]!, items[child]!)) child++;
      if (!better(items[child]!, last)) { items[i] = last; return top; }
      items[i] = items[child]!;
      i = child;
    }
  }
}
