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

/** e^x for x ≤ 0 (or not far above): the polynomial of exp() without its care for large x. Below −87.3 it is 0. */
TS_INLINE V16 expBelow(V16 x) {
  const V16 magic = broadcast(12582912.0f);  // 1.5 · 2^23: the nearest integer n appears in the low bits of the sum
  const V16 shifted = fma(x, broadcast(1.44269504f), magic), n = shifted - magic;
  V16 r = fma(n, broadcast(-0.693359375f), x);
  r = fma(n, broadcast(2.12194440e-4f), r);
  V16 p = broadcast(1.9875691500e-4f);
  p = fma(p, r, broadcast(1.3981999507e-3f));
  p = fma(p, r, broadcast(8.3334519073e-3f));
  p = fma(p, r, broadcast(4.1665795894e-2f));
  p = fma(p, r, broadcast(1.6666665459e-1f));
  p = fma(p, r, broadcast(5.0000001201e-1f));
  p = fma(p, r * r, r) + broadcast(1.0f);
  const V16 power = fromBits((bits(shifted) + broadcastInt(127)) << 23);
  return select(x < broadcast(-87.3365448f), zero(), p * power);
}

/** Lanes of the 16 keys from `key` on that lie in [from, to). */
TS_INLINE M16 seen(int64_t key, int64_t from, int64_t to) { return firstLanes(to - key) & !firstLanes(from - key); }

/** Keys [from, to) of a block that a row sees. */
struct Seen { int64_t from, to; };
TS_INLINE Seen seenOf(int64_t block, int64_t first, int64_t last) {
  const int64_t from = first - block * KEY_BLOCK, to = last + 1 - block * KEY_BLOCK;
  return {from < 0 ? 0 : from, to > KEY_BLOCK ? KEY_BLOCK : to};
}

/** Rows under way, in the scratch memory of a thread. */
struct Rows {
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

  Rows(void* memory, int64_t rows, int64_t D, int64_t Dv, float scale) : D(D), Dv(Dv), scale(scale) {
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
      memcpy(q + (row + h) * D, from + h * headStride, static_cast<size_t>(D) * 4);
      first[row + h] = static_cast<int32_t>(firstSeen);
      last[row + h] = static_cast<int32_t>(lastSeen);
    }
  }

  /** One block for the rows [from, to), each of which sees a key of it: keys (D, 64) with stride ldk, values (64, Dv). */
  void attend(int64_t from, int64_t to, int64_t block, const float* keys, int64_t ldk, const float* values, int64_t ldv) const {
    for (int64_t r = from; r < to; r += STRIP) strip(r, to - r < STRIP ? to - r : STRIP, block, keys, ldk, values, ldv);
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
  void strip(int64_t row, int64_t count, int64_t block, const float* keys, int64_t ldk, const float* values, int64_t ldv) const {
    alignas(64) float p[STRIP * KEY_BLOCK], sums[STRIP * 16], next[16], alpha[16];
    Seen each[STRIP], all{KEY_BLOCK, 0}, common{0, KEY_BLOCK};  // the union of the rows' keys, and their intersection
    for (int64_t r = 0; r < count; r++) {
      const Seen s = each[r] = seenOf(block, first[row + r], last[row + r]);
      if (s.from < all.from) all.from = s.from;
      if (s.to > all.to) all.to = s.to;
      if (s.from > common.from) common.from = s.from;
      if (s.to < common.to) common.to = s.to;
    }
    const int64_t begin = all.from / 16 * 16, end = (all.to + 15) / 16 * 16;
    product(count, end - begin, {D, q + row * D, D, keys + begin, ldk, p + begin, KEY_BLOCK});
    for (int64_t r = 0; r < count; r++) {
      const bool whole = each[r].from <= begin && each[r].to >= end;
      next[r] = whole ? softmax<false>(p + r * KEY_BLOCK, begin, end, each[r], m[row + r], sums + r * 16)
                      : softmax<true>(p + r * KEY_BLOCK, begin, end, each[r], m[row + r], sums + r * 16);
    }
    store(alpha, expBelow(load(m + row, count) - load(next, count)));
    store(m + row, load(next), count);
    for (int64_t r = 0; r < count; r++) {
      float* lanes = l + (row + r) * 16;
      store(lanes, fma(load(lanes), broadcast(alpha[r]), load(sums + r * 16)));
    }
    weigh(row, count, p, alpha, each, common, values, ldv);
  }

  /** Scores in p[begin, end) to weights; returns the new maximum. EDGE: the row does not see all of these keys. */
  template <bool EDGE>
  TS_INLINE float softmax(float* p, int64_t begin, int64_t end, Seen keys, float before, float* sums) const {
    const V16 factor = broadcast(scale);
    V16 largest = broadcast(-INFINITY);
    for (int64_t j = begin; j < end; j += 16) {
      V16 s = load(p + j) * factor;
      if (EDGE) s = select(seen(j, keys.from, keys.to), s, broadcast(-INFINITY));
      store(p + j, s);
      largest = max(largest, s);
    }
    const float here = max(largest), now = here > before ? here : before;
    V16 total = zero();
    for (int64_t j = begin; j < end; j += 16) {
      const V16 weight = expBelow(load(p + j) - broadcast(now));
      store(p + j, weight);
      total += weight;
    }
    store(sums, total);
    return now;
  }

  /** o = o·α + Σ p_j v_j: the keys that all rows see in one product, those before and behind row by row. */
  void weigh(int64_t row, int64_t count, const float* p, const float* alpha, const Seen* each, Seen common, const float* values, int64_t ldv) const {
    const auto add = [&](int64_t r, int64_t rows, int64_t from, int64_t to, Start start) {
      product(rows, Dv, {to - from, p + r * KEY_BLOCK + from, KEY_BLOCK, values + from * ldv, ldv, o + (row + r) * Dv, Dv, start, alpha + r});
    };
    if (common.from >= common.to) {
      for (int64_t r = 0; r < count; r++) add(r, 1, each[r].from, each[r].to, Start::SCALED_C);
      return;
    }
    bool early = false;
    for (int64_t r = 0; r < count; r++) early |= each[r].from < common.from;
    if (early)
      for (int64_t r = 0; r < count; r++) add(r, 1, each[r].from, common.from, Start::SCALED_C);
    add(0, count, common.from, common.to, early ? Start::C : Start::SCALED_C);
    for (int64_t r = 0; r < count; r++)
      if (each[r].to > common.to) add(r, 1, common.to, each[r].to, Start::C);
  }
};

}  // namespace ts::ISA
