// Attention over a paged cache, for sampling: the same arithmetic as attention.ts, key block by key block, so that the
// log-probability a token is sampled with is the trainer's, bit for bit.
// A page holds 64 positions of one layer: keys (Hkv, D, 64), transposed so that a block's scores are one vector FMA a
// channel; values (Hkv, 64, Dv). table (S, maxBlocks) maps block b of sequence s to its page. Sequences of one prompt
// share its full pages.
// In fast mode pages may hold fewer bits (cache-pages.ts); exact mode has f32.
// A row r is one token of sequence rowSeq[r] at position rowPos[r]; rows with rowSeq < 0 are skipped (their output is 0).

import { type CacheType, cacheTypes, packPage, pageWords, unpackPage } from '../cache-pages.ts';
import type { Tape } from '../tape.ts';
import type { DType, Shape, Tensor } from '../tensor.ts';
import { type AttentionShape, type Heads, headView, keyBlock } from './attention.ts';
import type { Op } from './op.ts';

export interface PagedCache {
  /** (pages, Hkv, D, 64) and (pages, Hkv, 64, Dv); in fewer bits (pages, Hkv, words of a page). */
  readonly keys: Tensor;
  readonly values: Tensor;
  /** f32 unless said. */
  readonly type?: CacheType;
}

/** How one layer's pages of a type lie in memory. */
export function cacheShapes(type: CacheType, pages: number, { keyHeads, D, Dv }: Pick<AttentionShape, 'keyHeads' | 'D' | 'Dv'>): { keys: [Shape, DType]; values: [Shape, DType] } {
  if (type === 'f32') return { keys: [[pages, keyHeads, D, keyBlock], 'f32'], values: [[pages, keyHeads, keyBlock, Dv], 'f32'] };
  return { keys: [[pages, keyHeads, pageWords(type, D)], 'i32'], values: [[pages, keyHeads, pageWords(type, Dv)], 'i32'] };
}

const typeOf = (cache: PagedCache): number => cacheTypes.indexOf(cache.type ?? 'f32');

export interface PagedRows {
  /** (S, maxBlocks) i32 */
  readonly table: Tensor;
  /** (R) i32 */
  readonly rowSeq: Tensor;
  readonly rowPos: Tensor;
}

/** Writes keys and values of the rows into their pages. */
export function cacheAppend(tape: Tape, k: Heads, v: Heads, cache: PagedCache, rows: PagedRows, shape: AttentionShape): void {
  tape.emit('cacheAppend', [headView(k), headView(v), cache.keys, cache.values, rows.table, rows.rowSeq, rows.rowPos],
    [rows.rowSeq.shape[0], shape.keyHeads, shape.D, shape.Dv, k.tensor.ld, k.stride, v.tensor.ld, v.stride, rows.table.shape[1], typeOf(cache)]);
}

/** q (R, Hq·D) against the positions 0 … rowPos of the row's sequence, which are in the cache already → (R, Hq·Dv). */
export function attentionCached(tape: Tape, q: Heads, cache: PagedCache, rows: PagedRows, shape: AttentionShape): Tensor {
  const R = q.tensor.shape[0];
  const out = tape.temp([R, shape.queryHeads * shape.Dv], 'f32', 'attention');
  tape.emit('attentionCached', [headView(q), cache.keys, cache.values, rows.table, rows.rowSeq, rows.rowPos, out],
    [R, shape.queryHeads, shape.keyHeads, shape.D, shape.Dv, shape.scale, shape.window ?? 0, q.tensor.ld, q.stride, out.ld, rows.table.shape[1], typeOf(cache)]);
  return out;
}

/** FLOP of one row at position `pos` in a recorded `attentionCached`; positions are on the device, so the recording cannot count. */
export function attentionCachedFlops([, Hq, , D, Dv, , window]: readonly number[], pos: number): number {
  return 2 * Hq * (D + Dv) * (window > 0 ? Math.min(pos + 1, window) : pos + 1);
}

/** Copies whole pages: from[i] → to[i] (a sample gets its own copy of the prompt's last, half-full page). */
export function cacheCopy(tape: Tape, cache: PagedCache, from: Tensor, to: Tensor): void {
  for (const pages of [cache.keys, cache.values]) {
    tape.emit('cacheCopy', [pages, from, to], [from.shape[0], pages.shape.slice(1).reduce((a, b) => a * b, 1)]);
  }
}

export const attentionCachedOp: Op = {
  name: 'attentionCached',
  kernels: [
    {
      name: 'cacheAppend', // t = k, v, key pages, value pages, table, rowSeq, rowPos; a = R, Hkv, D, Dv, ldk, hsk, ldv, hsv, maxBlocks, type
      reference: ([k, v, keys, values, table, rowSeq, rowPos], [R, Hkv, D, Dv, ldk, hsk, ldv, hsv, maxBlocks, type]) => {
        for (let r = 0; r < R; r++) {
          if (rowSeq[r] < 0) continue;
          const page = table[rowSeq[r] * maxBlocks + Math.floor(rowPos[r] / keyBlock)], at = rowPos[r] % keyBlock;
          for (let h = 0; h < Hkv; h++) {
            if (type > 0) {
              packPage(type, keys, page * Hkv + h, at, k.subarray(r * ldk + h * hsk, r * ldk + h * hsk + D), at, keyBlock);
              packPage(type, values, page * Hkv + h, at, v.subarray(r * ldv + h * hsv, r * ldv + h * hsv + Dv), at * Dv, 1);
              continue;
            }
            for (let c = 0; c < D; c++) keys[((page * Hkv + h) * D + c) * keyBlock + at] = k[r * ldk + h * hsk + c];
            for (let c = 0; c < Dv; c++) values[((page * Hkv + h) * keyBlock + at) * Dv + c] = v[r * ldv + h * hsv + c];
          }
        }
      },
    },
    {
      name: 'attentionCached', // t = q, key pages, value pages, table, rowSeq, rowPos, out; a = R, Hq, Hkv, D, Dv, scale, window, ldq, hsq, ldo, maxBlocks, type
      reference: ([q, keys, values, table, rowSeq, rowPos, out], [R, Hq, Hkv, D, Dv, scale, window, ldq, hsq, ldo, maxBlocks, type]) => {
        const key = (head: number, c: number, j: number): number => (type > 0 ? unpackPage(type, keys, head, D, c * keyBlock + j, j) : keys[(head * D + c) * keyBlock + j]);
        const value = (head: number, j: number, c: number): number => (type > 0 ? unpackPage(type, values, head, Dv, j * Dv + c, j) : values[(head * keyBlock + j) * Dv + c]);
        for (let r = 0; r < R; r++) for (let h = 0; h < Hq; h++) {
          const row = out.subarray(r * ldo + h * Dv, r * ldo + (h + 1) * Dv).fill(0);
          if (rowSeq[r] < 0) continue;
          const g = Math.floor((h * Hkv) / Hq), last = rowPos[r], first = window ? Math.max(0, last - window + 1) : 0;
          const pageOf = (j: number): number => table[rowSeq[r] * maxBlocks + Math.floor(j / keyBlock)] * Hkv + g;
          const scores: number[] = [];
          for (let j = first; j <= last; j++) {
            let s = 0;
            for (let c = 0; c < D; c++) s += q[r * ldq + h * hsq + c] * key(pageOf(j), c, j % keyBlock);
            scores.push(s * scale);
          }
          const max = Math.max(...scores);
          let sum = 0;
          const o = new Float64Array(Dv);
          scores.forEach((s, i) => {
            const p = Math.exp(s - max), head = pageOf(first + i), at = (first + i) % keyBlock;
            sum += p;
            for (let c = 0; c < Dv; c++) o[c] += p * value(head, at, c);
          });
          for (let c = 0; c < Dv; c++) row[c] = o[c] / sum;
        }
      },
    },
    {
      name: 'cacheCopy', // t = pages (in place), from, to; a = n, elements a page
      reference: ([pages, from, to], [n, size]) => {
        for (let i = 0; i < n; i++) pages.copyWithin(to[i] * size, from[i] * size, (from[i] + 1) * size);
      },
    },
  ],
  samples: ([[1, 1, 1, 4, 4, 0], [3, 4, 2, 8, 12, 0], [2, 3, 1, 16, 16, 40], [1, 3, 3, 5, 7, 0], [2, 5, 1, 17, 1, 3]] as const).flatMap((sizes) => cacheTypes.map((type) => [...sizes, type] as const)).map(([S, Hq, Hkv, D, Dv, window, type]) => ({
    label: `sequences=${S} heads ${Hq}/${Hkv} D=${D} Dv=${Dv} window=${window} ${type}`,
    gradient: false,
    inputs: { q: [S * 70, Hq * D], k: [S * 70, Hkv * D], v: [S * 70, Hkv * Dv] },
    record: (tape: Tape, { q, k, v }: Readonly<Record<string, Tensor>>) => {
      const R = S * 70, shape = { queryHeads: Hq, keyHeads: Hkv, D, Dv, scale: D ** -0.5, window };
      const rows = {
        table: tape.input(Int32Array.from({ length: S * 2 }, (_, i) => (i * 3 + 1) % (2 * S + 1)), [S, 2]), // pages out of order
        rowSeq: tape.input(Int32Array.from({ length: R }, (_, r) => (r === 65 ? -1 : r % S))),
        rowPos: tape.input(Int32Array.from({ length: R }, (_, r) => Math.floor(r / S))),
      };
      const shapes = cacheShapes(type, 2 * S + 1, shape), cache = { keys: tape.temp(...shapes.keys), values: tape.temp(...shapes.values), type };
      for (const pages of [cache.keys, cache.values]) tape.emit('fill', [pages], [pages.storage.bytes / 4, 0]);
      cacheAppend(tape, { tensor: k, stride: D }, { tensor: v, stride: Dv }, cache, rows, shape);
      return attentionCached(tape, { tensor: q, stride: D }, cache, rows, shape);
    },
  })),
};
