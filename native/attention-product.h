// The small matrix products inside attention: C (rows, columns) = start + A (rows, K) · B (K, columns), on one thread.
// Every element is one chain of fma over k = 0…K−1, begun at 0, at c, or at factor[row] · c. Neither the tile an element
// falls into nor the instruction set changes the chain. A tile of C stays in registers; B and C may have any strides,
// any number of columns (the last, incomplete vector goes through a mask), and nothing outside them is touched.
// RAGGED: row r walks only the k in ranges[r] (causal masks), and what B holds elsewhere is not for it, NaN included.
#pragma once
#include "fma-into.h"
#include "simd.h"

namespace ts::ISA {

enum class Start { ZERO, C, SCALED_C };
enum class Form { PLAIN, TRANSPOSED, RAGGED };

struct Range { int64_t from, to; };

struct SmallProduct {
  int64_t K;
  const float* a;  // A(r, k) = a[r · lda + k], or a[k · lda + r] where A is transposed
  int64_t lda;
  const float* b;
  int64_t ldb;
  float* c;
  int64_t ldc;
  Start start = Start::ZERO;
  const float* factor = nullptr;  // (rows), for SCALED_C
  const Range* ranges = nullptr;  // (rows), for RAGGED: none is empty, and K is not used
  const float* ahead = nullptr;   // the B of the next product, of the same shape: fetched while this one is computed
};

// Rows of a tile, and vectors of columns that fit the registers beside them (of 32, or of 16 without AVX-512 and NEON).
#if defined(__AVX512F__) || defined(__ARM_NEON)
constexpr int TILE_ROWS = 6;
constexpr int tileVectors(int rows) { return rows <= 2 ? 8 : 4; }
#else
constexpr int TILE_ROWS = 6;
constexpr int tileVectors(int rows) { return rows == 1 ? 8 : rows <= 3 ? 4 : 2; }
#endif

/** One tile: R rows, N vectors of columns; MASKED: N is 1 and only `columns` of its lanes exist. */
template <int R, int N, Form FORM, bool MASKED>
TS_INLINE void tile(const SmallProduct& p, int64_t columns) {
  const auto read = [&](const float* from) TS_LAMBDA { return MASKED ? vload(from, columns) : vload(from); };
  vf sum[R][N];
#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
#pragma GCC unroll 8
    for (int n = 0; n < N; n++) sum[r][n] = vf{};
  if (p.start != Start::ZERO) {
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 8
      for (int n = 0; n < N; n++) sum[r][n] = read(p.c + r * p.ldc + n * W);
  }
  if (p.start == Start::SCALED_C) {
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 8
      for (int n = 0; n < N; n++) sum[r][n] *= vset(p.factor[r]);
  }

  const int64_t lda = p.lda, ldb = p.ldb;
  Range common{0, p.K}, all{0, p.K};
  if (FORM == Form::RAGGED) {
    common = all = p.ranges[0];
#pragma GCC unroll 8
    for (int r = 1; r < R; r++) {
      const Range range = p.ranges[r];
      common = {range.from > common.from ? range.from : common.from, range.to < common.to ? range.to : common.to};
      all = {range.from < all.from ? range.from : all.from, range.to > all.to ? range.to : all.to};
    }
    if (common.from >= common.to) common = {all.to, all.to};
  }
  const auto walk = [&](int64_t from, int64_t to, auto takesPart) TS_LAMBDA {
    const float *a = p.a + (FORM == Form::TRANSPOSED ? from * lda : from), *b = p.b + from * ldb, *ahead = p.ahead;
    if (ahead) ahead += from * ldb;
    for (int64_t k = from; k < to; k++) {
      if (ahead) {
#pragma GCC unroll 8
        for (int n = 0; n < N; n += PARTS) __builtin_prefetch(ahead + n * W, 0, 2);
        ahead += ldb;
      }
      vf right[N];
#pragma GCC unroll 8
      for (int n = 0; n < N; n++) right[n] = read(b + n * W);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) {
        if (!takesPart(r, k)) continue;
        const vf left = vset(FORM == Form::TRANSPOSED ? a[r] : a[r * lda]);
#pragma GCC unroll 8
        for (int n = 0; n < N; n++) fmaInto<R * N>(sum[r][n], left, right[n]);
      }
      a += FORM == Form::TRANSPOSED ? lda : 1;
      b += ldb;
    }
  };
  const auto inRange = [&](int r, int64_t k) TS_LAMBDA { return k >= p.ranges[r].from && k < p.ranges[r].to; };
  if (FORM == Form::RAGGED) walk(all.from, common.from, inRange);
  walk(common.from, common.to, [](int, int64_t) TS_LAMBDA { return true; });
  if (FORM == Form::RAGGED) walk(common.to, all.to, inRange);

#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
#pragma GCC unroll 8
    for (int n = 0; n < N; n++) {
      if (MASKED) vstore(p.c + r * p.ldc + n * W, sum[r][n], columns);
      else vstore(p.c + r * p.ldc + n * W, sum[r][n]);
    }
}

/** All columns of R rows. */
template <int R, Form FORM>
__attribute__((noinline)) void tileRow(SmallProduct p, int64_t columns) {
  constexpr int MOST = tileVectors(R);
  const auto advance = [&](int n) TS_LAMBDA {
    p.b += n * W;
    p.c += n * W;
    if (p.ahead) p.ahead += n * W;
    columns -= n * W;
  };
  while (columns >= MOST * W) { tile<R, MOST, FORM, false>(p, 0); advance(MOST); }
  if constexpr (MOST > 4)
    if (columns >= 4 * W) { tile<R, 4, FORM, false>(p, 0); advance(4); }
  if constexpr (MOST > 3)
    if (columns >= 3 * W) { tile<R, 3, FORM, false>(p, 0); advance(3); }
  if constexpr (MOST > 2)
    if (columns >= 2 * W) { tile<R, 2, FORM, false>(p, 0); advance(2); }
  if (columns >= W) { tile<R, 1, FORM, false>(p, 0); advance(1); }
  if (columns > 0) tile<R, 1, FORM, true>(p, columns);
}

/** Any number of rows. */
template <Form FORM = Form::PLAIN>
inline void product(int64_t rows, int64_t columns, SmallProduct p) {
  for (; rows > 0; rows -= TILE_ROWS) {
    switch (rows) {
      case 1: return tileRow<1, FORM>(p, columns);
      case 2: return tileRow<2, FORM>(p, columns);
      case 3: return tileRow<3, FORM>(p, columns);
      case 4: return tileRow<4, FORM>(p, columns);
      case 5: return tileRow<5, FORM>(p, columns);
      default: tileRow<6, FORM>(p, columns);
    }
    p.a += FORM == Form::TRANSPOSED ? TILE_ROWS : TILE_ROWS * p.lda;
    p.c += TILE_ROWS * p.ldc;
    if (p.factor) p.factor += TILE_ROWS;
    if (p.ranges) p.ranges += TILE_ROWS;
    p.ahead = nullptr;
  }
}

}  // namespace ts::ISA
