// Chooses a token from logits on the host, where every row may have its own settings. The distribution is that of the
// op `sample`: z = logits / temperature; top-k, then top-p, then min-p; u = Philox(seed; stream, position); first j in id
// order with Σ_{i ≤ j} p_i > u · Σ p. Temperature 0 takes the best, ties to the lower id.

import { random } from '../../engine/random.ts';
import type { Sampling, TokenLogprob, TokenLogprobs } from './engine.ts';
import { quickExp } from './quick-exp.ts';

/** Adds bias and penalties to the logits. `counts`: how often each id stands in the answer so far. */
export function adjustLogits(logits: Float32Array, { bias, frequencyPenalty, presencePenalty }: Sampling, counts: ReadonlyMap<number, number>): void {
  for (const [id, value] of bias) if (id < logits.length) logits[id]! += value;
  if (frequencyPenalty === 0 && presencePenalty === 0) return;
  for (const [id, count] of counts) logits[id]! -= count * frequencyPenalty + presencePenalty;
}

/** Kept between tokens: a vocabulary's worth of memory for each would be most of what the collector has to do. */
let weights = new Float64Array();

export function chooseToken(logits: Float32Array, sampling: Sampling, stream: number, position: number): number {
  const { temperature } = sampling;
  let best = 0, highest = logits[0]!;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > highest) { highest = logits[i]!; best = i; }
  if (temperature === 0) return best;
  const max = highest / temperature, kept = keptIds(logits, max, sampling), n = kept?.length ?? logits.length;
  if (weights.length < n) weights = new Float64Array(n);
  let total = 0, sum = 0;
  if (kept) for (let i = 0; i < n; i++) total += weights[i] = quickExp(logits[kept[i]!]! / temperature - max);
  else for (let i = 0; i < n; i++) total += weights[i] = quickExp(logits[i]! / temperature - max);
  const threshold = (random(sampling.seed, stream, position) / 2 ** 32) * total;
  for (let i = 0; i < n; i++) {
    sum += weights[i]!;
    if (sum > threshold) return kept ? kept[i]! : i;
  }
  return best; // rounding alone can lead here
}

/** Ids that top-k, top-p and min-p leave, in id order; null: all. */
export function keptIds(logits: Float32Array, max: number, { temperature, topK, topP, minP }: Sampling): number[] | null {
  if (topK === 0 && topP >= 1 && minP === 0) return null;
  const z = (id: number): number => logits[id]! / temperature;
  let total = 0;
  if (topP < 1 && topK === 0) for (let i = 0; i < logits.length; i++) total += quickExp(z(i) - max);
  // Sorting a whole vocabulary costs more than the model: only what lies near the best is sorted, if that is enough.
  for (const depth of [4, 16, Infinity]) {
    const near: number[] = [];
    let mass = 0;
    for (let i = 0; i < logits.length; i++) if (z(i) >= max - depth && z(i) > -Infinity) { near.push(i); mass += Math.exp(z(i) - max); }
    const byMinP = minP > 0 && Math.log(minP) >= -depth && (topP >= 1 || topK === 0);
    const enough = depth === Infinity || byMinP || (topK > 0 ? near.length >= topK : topP < 1 && mass >= topP * total);
    if (!enough) continue;
    near.sort((i, j) => z(j) - z(i) || i - j);
    let n = topK > 0 ? Math.min(topK, near.length) : near.length;
    if (topP < 1) {
      const of = topK > 0 ? near.slice(0, n).reduce((s, i) => s + Math.exp(z(i) - max), 0) : total;
      let reached = 0, count = 0;
      while (count < n && reached < topP * of) reached += Math.exp(z(near[count++]!) - max);
      n = Math.max(1, count);
    }
    if (minP > 0) while (n > 1 && Math.exp(z(near[n - 1]!) - max) < minP) n--;
    return near.slice(0, n).sort((i, j) => i - j);
  }
  return null;
}

/** Log-probabilities by the model itself: temperature 1, nothing cut off, no bias. */
export function logprobsOf(logits: Float32Array, top: number, show: (id: number) => Pick<TokenLogprob, 'token' | 'bytes'>): (id: number) => TokenLogprobs {
  let max = -Infinity, total = 0;
  for (const x of logits) max = Math.max(max, x);
  for (const x of logits) total += quickExp(x - max);
  const norm = max + Math.log(total), best: number[] = [], scores = new Map<number, number>();
  const entry = (id: number): TokenLogprob => ({ ...show(id), logprob: (scores.get(id) ?? -Infinity) - norm });
  for (let i = 0; i < logits.length && top > 0; i++) {
    if (best.length === top && logits[i]! <= logits[best[top - 1]!]!) continue;
    let at = best.length;
    while (at > 0 && logits[i]! > logits[best[at - 1]!]!) at--;
    best.splice(at, 0, i);
    if (best.length > top) best.pop();
  }
  for (const id of best) scores.set(id, logits[id]!);
  const plain = Float32Array.from(logits); // the caller's array is used again
  return (id) => {
    scores.set(id, plain[id]!);
    return { ...entry(id), top_logprobs: best.map(entry) };
  };
}
