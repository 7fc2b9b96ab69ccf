// sum: Σ x.  squaredNorm: Σ x².  Fixed blocks of 4096 values, each summed in sixteen lanes; the blocks in order, in double
// precision.
#include "rows.h"

namespace ts::ISA {
namespace {

constexpr int64_t BLOCK = 4096;

/** out = Σ over all blocks of sum(fold(block, term)). */
template <class Term>
TS_INLINE void reduce(Pool& pool, const Command& c, Term term) {
  const float* x = c.f(0);
  const int64_t n = c.dim(0), blocks = ceilDiv(n, BLOCK);
  float* partial = static_cast<float*>(pool.scratch(0, blocks * sizeof(float)));
  parallelRows(pool, blocks, BLOCK / 2, [&](int64_t first, int64_t end, int) {
    for (int64_t b = first; b < end; b++) {
      const float* block = x + b * BLOCK;
      partial[b] = sum(fold(least(BLOCK, n - b * BLOCK), zero(), [&](V16 s, int64_t i, auto lanes) TS_LAMBDA { return term(lanes.load(block + i), s); }));
    }
  });
  double total = 0;
  for (int64_t b = 0; b < blocks; b++) total += partial[b];
  *c.f(1) = static_cast<float>(total);
}

// t = x, out (1); a = n
void sumAll(Pool& pool, const Command& c) { reduce(pool, c, [](V16 x, V16 s) TS_LAMBDA { return s + x; }); }

// t = x, out (1); a = n
void squaredNorm(Pool& pool, const Command& c) { reduce(pool, c, [](V16 x, V16 s) TS_LAMBDA { return fma(x, x, s); }); }

}  // namespace

extern const Entry reduce_kernels[] = {{"sum", sumAll}, {"squaredNorm", squaredNorm}, {nullptr, nullptr}};

}  // namespace ts::ISA
