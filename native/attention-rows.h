// Softmax attention of a set of rows, block by block of keys: the one piece of code behind `attention` (training) and
// `attentionCached` (sampling), so that both compute the same bits. A row is one (query, head); it sees the positions
// first…last of its document or sequence. For every block of 64 positions that holds one of them, in order:
//   s_j = scale · (chain of fma over the D channels of q·k_j, from 0);   m' = max(m, max_j s_j);   α = exp(m − m')
//   p_j = exp(s_j − m'), 0 for positions not seen;   l_i = fma(l_i, α, ((p_i + p_{i+16}) + p_{i+32}) + p_{i+48}), i < 16
//   o = o·α, then one chain of fma over the seen keys in order
// At the end out = o / sum(l) (the tree of simd.h) and lse = m + log sum(l). No other row, key or tile takes part in a
// row's arithmetic: positions it does not see may hold anything, NaN included.
#pragma once
#include "attention-product.h"
#include "math.h"

namespace ts::ISA {

constexpr int64_t KEY_BLOCK = 64;

/** e^x for x ≤ 0 (or not far above); below −87.3 it is 0. Fewer steps than exp(): a softmax takes one for every score. */
TS_INLINE V16 expBelow(V16 x) {
  const V16 magic = broadcast(12583039.0f);  // 1.5 · 2^23 + 127: the low bits of the sum are the exponent of 2^n
  const V16 shifted = fma(x, broadcast(1.44269504f), magic), n = shifted - magic;
  const V16 r = fma(n, broadcast(-0.693147181f), x);  // off by less than the rounding of x
  V16 p = broadcast(1.9875691500e-4f);
  p = fma(p, r, broadcast(1.3981999507e-3f));
  p = fma(p, r, broadcast(8.3334519073e-3f));
  p = fma(p, r, broadcast(4.1665795894e-2f));
  p = fma(p, r, broadcast(1.6666665459e-1f));
  p = fma(p, r, broadcast(5.0000001201e-1f));
  p = fma(p, r, broadcast(1.0f));
  p = fma(p, r, broadcast(1.0f));
  return select(x < broadcast(-87.3365448f), zero(), p * fromBits(bits(shifted) << 23));
}

/** Which of the 16 keys from `key` on lie in the range. */
TS_INLINE M16 seen(int64_t key, Range range) { return firstLanes(range.to - key) & !firstLanes(range.from - key); }

/** The channels of a head: too few for a call of memcpy. */
TS_INLINE void copyHead(float* to, const float* from, int64_t n) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) store(to + i, load(from + i));
  if (i < n) store(to + i, load(from + i, n - i), n - i);
}

/** Keys of a block that a row sees. */
TS_INLINE Range seenOf(int64_t block, int64_t first, int64_t last) {
  const int64_t from = first - block * KEY_BLOCK, to = last + 1 - block * KEY_BLOCK;
  return {from < 0 ? 0 : from, to > KEY_BLOCK ? KEY_BLOCK : to};
}

/** Keys (D, 64) and values (64, Dv) of a block. */
struct Page {
  const float* keys = nullptr;
  int64_t ldk = 0;
  const float* values = nullptr;
  int64_t ldv = 0;
};

/** Rows under way, in the scratch memory of a thread. */
struct AttentionRows {
  static constexpr int64_t STRIP = 2 * TILE_ROWS;  // rows that go through a block together

  int64_t D, Dv;
  float scale;
  float* q;        // (rows, D)
  float* o;        // (rows, Dv)
  float* l;        // (rows, 16)
  float* m;        // (rows)
  int32_t* first;  // (rows)
  int32_t* last;   // (rows)

  static size_t bytes(int64_t rows, int64_t D, int64_t Dv) { return static_cast<size_t>(rows * (D + Dv + 16 + 3) + 64) * 4; }

  AttentionRows(void* memory, int64_t rows, int64_t D, int64_t Dv, float scale) : D(D), Dv(Dv), scale(scale) {
    l = static_cast<float*>(memory);
    q = l + rows * 16;
    o = q + rows * D;
    m = o + rows * Dv;
    first = reinterpret_cast<int32_t*>(m + rows);
    last = first + rows;
    for (int64_t i = 0; i < rows * 16; i++) l[i] = 0;
    for (int64_t i = 0; i < rows * Dv; i++) o[i] = 0;
    for (int64_t i = 0; i < rows; i++) m[i] = -INFINITY;
  }

  /** Sets the q of `heads` rows from one query, and what they see. */
  void set(int64_t row, int64_t heads, const float* from, int64_t headStride, int64_t firstSeen, int64_t lastSeen) {
    for (int64_t h = 0; h < heads; h++) {
      copyHead(q + (row + h) * D, from + h * headStride, D);
      first[row + h] = static_cast<int32_t>(firstSeen);
      last[row + h] = static_cast<int32_t>(lastSeen);
    }
  }

  /** One block for the rows [from, to), each of which sees a key of it. */
  void attend(int64_t from, int64_t to, int64_t block, Page page, Page next = {}) const {
    for (int64_t r = from; r < to; r += STRIP) {
      strip(r, to - r < STRIP ? to - r : STRIP, block, page, next);
      next = {};
    }
  }

  /** o / sum(l) of a row → out (Dv); 0 for a row that sees nothing (last < 0). */
  void finish(int64_t row, float* out) const {
    const V16 total = broadcast(last[row] < 0 ? 1.0f : sum(load(l + row * 16)));
    // Adding 0 makes −0 to 0, so that the sign of what has underflowed is nobody's business.
    for (int64_t c = 0; c < Dv; c += 16) store(out + c, load(o + row * Dv + c, Dv - c) / total + zero(), Dv - c);
  }

  /** m → m + log sum(l), when all blocks are done. */
  void logSums(int64_t count) const {
    for (int64_t r = 0; r < count; r += 16) {
      alignas(64) float totals[16] = {};
      for (int64_t i = r; i < count && i < r + 16; i++) totals[i - r] = sum(load(l + i * 16));
      store(m + r, load(m + r, count - r) + log(load(totals)), count - r);
    }
  }

 private:
  void strip(int64_t row, int64_t count, int64_t block, Page page, Page upcoming) const {
    alignas(64) float p[STRIP * KEY_BLOCK], sums[STRIP * 16], next[16], alpha[16];
    Range ranges[STRIP], all{KEY_BLOCK, 0};
    bool ragged = false;
    for (int64_t r = 0; r < count; r++) {
      const Range range = ranges[r] = seenOf(block, first[row + r], last[row + r]);
      if (range.from < all.from) all.from = range.from;
      if (range.to > all.to) all.to = range.to;
      ragged |= range.to - range.from < KEY_BLOCK;
    }
    const int64_t begin = all.from / 16 * 16, end = (all.to + 15) / 16 * 16;
    product(count, end - begin, {D, q + row * D, D, page.keys + begin, page.ldk, p + begin, KEY_BLOCK, Start::ZERO, nullptr, nullptr, upcoming.keys});
    const int64_t groups = (end - begin) / 16;
    if (!ragged) softmax<4, false>(count, p, ranges, m + row, next, sums);
    else if (groups == 1) softmax<1, true>(count, p + begin, ranges, m + row, next, sums, begin);
    else if (groups == 2) softmax<2, true>(count, p + begin, ranges, m + row, next, sums, begin);
    else if (groups == 3) softmax<3, true>(count, p + begin, ranges, m + row, next, sums, begin);
    else softmax<4, true>(count, p + begin, ranges, m + row, next, sums, begin);
    store(alpha, expBelow(load(m + row, count) - load(next, count)));
    store(m + row, load(next), count);
    for (int64_t r = 0; r < count; r++) {
      float* lanes = l + (row + r) * 16;
      store(lanes, fma(load(lanes), broadcast(alpha[r]), load(sums + r * 16)));
    }
    const SmallProduct weighed{KEY_BLOCK, p, KEY_BLOCK, page.values, page.ldv, o + row * Dv, Dv, Start::SCALED_C, alpha, ranges, upcoming.values};
    if (ragged) product<Form::RAGGED>(count, Dv, weighed);
    else product(count, Dv, weighed);
  }

  /** Scores of 16·N keys from `begin` on to weights, their sums in 16 lanes, and the new maxima. MASKED: by the ranges. */
  template <int N, bool MASKED>
  TS_INLINE void softmax(int64_t count, float* p, const Range* ranges, const float* before, float* next, float* sums, int64_t begin = 0) const {
    const V16 factor = broadcast(scale);
    for (int64_t r = 0; r < count; r++) {
      V16 largest = broadcast(before[r]);
#pragma GCC unroll 4
      for (int j = 0; j < N; j++) {
        float* at = p + r * KEY_BLOCK + 16 * j;
        V16 s = load(at) * factor;
        if (MASKED) s = select(seen(begin + 16 * j, ranges[r]), s, broadcast(-INFINITY));
        store(at, s);
        largest = max(largest, s);
      }
      next[r] = max(largest);
    }
    for (int64_t r = 0; r < count; r++) {
      const V16 most = broadcast(next[r]);
      V16 total = zero();
#pragma GCC unroll 4
      for (int j = 0; j < N; j++) {
        float* at = p + r * KEY_BLOCK + 16 * j;
        const V16 weight = expBelow(load(at) - most);
        store(at, weight);
        total += weight;
      }
      store(sums + r * 16, total);
    }
  }
};

}  // namespace ts::ISA
