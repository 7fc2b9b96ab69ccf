// Patterns that kernels share: walking a row in sixteen lanes, folding it into one number, cutting rows into tasks.
//   along(n, [&](int64_t i, auto lanes) TS_LAMBDA { lanes.store(y + i, lanes.load(x + i) * s); });
// The function sees whole sixteens first, then one tail whose missing lanes read as zero and are never written.
#pragma once
#include "kernel.h"
#include "pool.h"
#include "simd.h"

namespace ts::ISA {

struct Sixteen {
  TS_INLINE V16 load(const float* p) const { return ISA::load(p); }
  TS_INLINE V16 loadOr(const float* p, float) const { return ISA::load(p); }
  TS_INLINE void store(float* p, V16 x) const { ISA::store(p, x); }
};

struct Tail {
  int64_t n;
  TS_INLINE V16 load(const float* p) const { return ISA::load(p, n); }
  /** Missing lanes read as `other`. */
  TS_INLINE V16 loadOr(const float* p, float other) const { return select(firstLanes(n), ISA::load(p, n), broadcast(other)); }
  TS_INLINE void store(float* p, V16 x) const { ISA::store(p, x, n); }
};

template <class F>
TS_INLINE void along(int64_t n, F f) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) f(i, Sixteen{});
  if (i < n) f(i, Tail{n - i});
}

/** accumulator = f(accumulator, i, lanes) along the row: lane l sees the elements l, l + 16, …, in order. */
template <class F>
TS_INLINE V16 fold(int64_t n, V16 accumulator, F f) {
  along(n, [&](int64_t i, auto lanes) TS_LAMBDA { accumulator = f(accumulator, i, lanes); });
  return accumulator;
}

/** Σ aᵢ bᵢ */
TS_INLINE float dot(const float* a, const float* b, int64_t n) {
  return sum(fold(n, zero(), [&](V16 s, int64_t i, auto lanes) TS_LAMBDA { return fma(lanes.load(a + i), lanes.load(b + i), s); }));
}

inline void copyRow(float* to, const float* from, int64_t n) { memcpy(to, from, n * sizeof(float)); }
inline void clearRow(float* to, int64_t n) { memset(to, 0, n * sizeof(float)); }

/** y += x */
inline void addRow(float* y, const float* x, int64_t n) {
  along(n, [&](int64_t i, auto lanes) TS_LAMBDA { lanes.store(y + i, lanes.load(y + i) + lanes.load(x + i)); });
}

/** Values a task should touch at least: less is done faster than another thread is woken. */
constexpr int64_t GRAIN = 16384;

inline int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

/** fn(first, end, thread) on ranges of rows of about GRAIN values; a small tensor is one range, on the calling thread. */
template <class F>
TS_INLINE void parallelRows(Pool& pool, int64_t rows, int64_t valuesPerRow, F fn) {
  const int64_t chunk = most(1, GRAIN / most(1, valuesPerRow));
  pool.parallel(ceilDiv(rows, chunk), [&](int64_t tile, int thread) { fn(tile * chunk, least(rows, (tile + 1) * chunk), thread); });
}

/** The same over n values in blocks of GRAIN: f(i, lanes). */
template <class F>
TS_INLINE void parallelAlong(Pool& pool, int64_t n, F f) {
  parallelRows(pool, n, 1, [&](int64_t first, int64_t end, int) {
    along(end - first, [&](int64_t i, auto lanes) TS_LAMBDA { f(first + i, lanes); });
  });
}

}  // namespace ts::ISA
