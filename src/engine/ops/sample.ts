// Sampling one token a row, on the device, so that decoding runs many steps without returning to JavaScript.
//   z = logits / temperature; kept = top-k, then top-p (smallest set of best tokens whose probability reaches p), then
//   min-p (probability ≥ p · the best); ties to the lower id. u = Philox(seed; stream, position) in [0, 1);
//   token = first j in id order with
//   Σ_{i ≤ j} p_i > u · Σ p over the kept. logp = z − log Σ_kept exp z, computed as
//   crossEntropy does, so it is the trainer's. Temperature 0 takes the best token (ties to the lower id); its
//   log-probability is that of temperature 1 over all tokens.
// Row r: token[r] was fed at position pos[r]; the sampled one replaces it and pos moves on. A row that samples a stop
// token or reaches limit[r] is done: seq[r] becomes −1, and attention and cache skip it from then on.

import type { Tape } from '../tape.ts';
import type { Tensor } from '../tensor.ts';
import { random } from '../random.ts';
import type { Op } from './op.ts';

export interface SamplerSettings {
  readonly temperature: number;
  /** 0: off */
  readonly topK: number;
  /** 1: off */
  readonly topP: number;
  /** 0: off */
  readonly minP: number;
  /** 53 bits at most; split into the two words of the Philox key. */
  readonly seed: number;
}

/** The state of B rows; all i32 but logp. */
export interface SamplerRows {
  readonly token: Tensor; // (B)
  readonly seq: Tensor; // (B), −1 when done
  readonly pos: Tensor; // (B)
  readonly limit: Tensor; // (B): no token is sampled for this position or later
  readonly stream: Tensor; // (B): number of the random stream
  readonly stops: Tensor; // (n): ids that end a row
  /** (B, maxNew): tokens and log-probabilities in the order sampled; count (B). */
  readonly outTokens: Tensor;
  readonly outLogp: Tensor;
  readonly count: Tensor;
  /** (B, maxNew, cap): kept ids, and (B, maxNew) how many; 0 means all. Absent where nothing is cut off. */
  readonly support?: { readonly ids: Tensor; readonly sizes: Tensor } | undefined;
}

/** logits (B, V). */
export function sample(tape: Tape, logits: Tensor, rows: SamplerRows, settings: SamplerSettings): void {
  const [B, V] = logits.shape as [number, number];
  const { temperature, topK, topP, minP, seed } = settings;
  tape.emit('sample', [logits, rows.token, rows.seq, rows.pos, rows.limit, rows.stream, rows.stops, rows.outTokens, rows.outLogp, rows.count, rows.support?.ids, rows.support?.sizes],
    [B, V, rows.outTokens.shape[1], rows.stops.shape[0], temperature, topK, topP, minP, seed % 2 ** 32, Math.floor(seed / 2 ** 32), rows.support?.ids.shape[2] ?? 0]);
}

/** Ids kept by top-k, top-p and min-p, best first; z already divided by the temperature. */
export function keptTokens(z: Float32Array, topK: number, topP: number, minP: number): number[] {
  const order = Array.from(z.keys()).sort((i, j) => z[j] - z[i] || i - j);
  let n = topK > 0 ? Math.min(topK, z.length) : z.length;
  const max = z[order[0]];
  if (topP < 1) {
    let total = 0, mass = 0, kept = 0;
    for (let i = 0; i < n; i++) total += Math.exp(z[order[i]] - max);
    while (kept < n && mass < topP * total) mass += Math.exp(z[order[kept++]] - max);
    n = Math.max(1, kept);
  }
  if (minP > 0) while (n > 1 && Math.exp(z[order[n - 1]] - max) < minP) n--;
  return order.slice(0, n);
}

export const sampleOp: Op = {
  name: 'sample',
  kernels: [
    {
      // t = logits, token, seq, pos, limit, stream, stops, outTokens, outLogp, count, support ids?, support sizes?
      // a = B, V, maxNew, stops, temperature, topK, topP, minP, seed low, seed high, support cap
      name: 'sample',
      reference: ([logits, token, seq, pos, limit, stream, stops, outTokens, outLogp, count, supportIds, supportSizes], [B, V, maxNew, S, temperature, topK, topP, minP, seedLow, seedHigh, cap]) => {
        for (let b = 0; b < B; b++) {
          if (seq[b] < 0) continue;
          const greedy = temperature === 0;
          const z = new Float32Array(V);
          for (let j = 0; j < V; j++) z[j] = greedy ? logits[b * V + j] : logits[b * V + j] / temperature;
          const cut = !greedy && (topK > 0 || topP < 1 || minP > 0);
          const kept = cut ? keptTokens(z, topK, topP, minP).sort((i, j) => i - j) : Array.from(z.keys());
          let max = -Infinity, total = 0;
          for (const j of kept) max = Math.max(max, z[j]);
          const p = kept.map((j) => Math.exp(z[j] - max));
          for (const x of p) total += x;
          let chosen = kept.length - 1;
          if (greedy) chosen = z.indexOf(max);
          else {
            const threshold = Math.fround((random(seedLow + seedHigh * 2 ** 32, stream[b], pos[b]) / 2 ** 32) * Math.fround(total));
            let sum = 0; // rounded to f32 at every addition, in id order
            for (let i = 0; i < kept.length; i++) { sum = Math.fround(sum + p[i]); if (sum > threshold) { chosen = i; break; } }
          }
          const id = kept[chosen], at = b * maxNew + count[b];
          outTokens[at] = id;
          outLogp[at] = z[id] - (max + Math.log(total));
          if (supportSizes) {
            supportSizes[at] = cut ? kept.length : 0;
            if (cut) supportIds.set(kept, at * cap);
          }
          count[b]++;
          token[b] = id;
          pos[b]++;
          if (stops.subarray(0, S).includes(id) || pos[b] >= limit[b] || count[b] >= maxNew) seq[b] = -1;
        }
      },
    },
  ],
  samples: [],
  cases: ([[1, 5, 1, 0, 1, 0], [3, 37, 1, 0, 1, 0], [4, 100, 0.7, 10, 1, 0], [4, 100, 1.3, 0, 0.8, 0], [5, 64, 1, 20, 0.9, 0.05], [3, 50, 0, 0, 1, 0]] as const).map(([B, V, temperature, topK, topP, minP]) => ({
    label: `B=${B} V=${V} temperature=${temperature} topK=${topK} topP=${topP} minP=${minP}`, kernel: 'sample', tolerance: 1e-4,
    tensors: [B * V, rowsOf(B, 1), rowsOf(B, 0, -1), rowsOf(B, 3), rowsOf(B, 9), rowsOf(B, 7), new Int32Array([2]), new Int32Array(B * 4), new Float32Array(B * 4), new Int32Array(B), new Int32Array(B * 4 * V), new Int32Array(B * 4)],
    attributes: [B, V, 4, 1, temperature, topK, topP, minP, 12345, 6, V],
  })),
};

/** first, first + 1, …; the last row may differ (−1: a finished sequence). */
function rowsOf(B: number, first: number, last?: number): Int32Array {
  return Int32Array.from({ length: B }, (_, b) => (b === B - 1 && B > 1 && last !== undefined ? last : first + b));
}
