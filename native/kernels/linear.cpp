// Linear layers: y (M, N) = x (M, K) · wᵀ (+ bias), w (N, K), and its two backward products, dense, with packed
// weights, and grouped (E experts, rows sorted by expert). Each element is one chain of fma (gemm.h): over k forward,
// over n for dx = dy · w, over m for dw = dyᵀ · x.
#include "gemm.h"
#include "pool.h"
#include "simd.h"

namespace ts::ISA {
namespace {

// ---- dense ---------------------------------------------------------------------------------------------------------

Product forward(int64_t M, int64_t N, int64_t K, const float* x, int64_t ldx, const float* w, float* y, int64_t ldy, bool accumulate) {
  return {M, N, K, {x, ldx, 1}, {w, 1, K}, y, ldy, accumulate};
}

Product backwardInput(int64_t M, int64_t N, int64_t K, const float* dy, int64_t lddy, const float* w, float* dx, int64_t lddx, bool accumulate) {
  return {M, K, N, {dy, lddy, 1}, {w, K, 1}, dx, lddx, accumulate};
}

Product backwardWeight(int64_t M, int64_t N, int64_t K, const float* dy, int64_t lddy, const float* x, int64_t ldx, float* dw, bool accumulate) {
  return {N, K, M, {dy, 1, lddy}, {x, ldx, 1}, dw, K, accumulate};
}

/** dbias (N) (+)= sums of dy's columns, each a chain over m. */
void columnSums(Pool& pool, int64_t M, int64_t N, const float* dy, int64_t lddy, float* dbias, bool accumulate) {
  constexpr int64_t WIDTH = 64;  // four chains hide the latency of addition
  pool.parallel((N + WIDTH - 1) / WIDTH, [&](int64_t tile, int) {
    const int64_t n = tile * WIDTH, left = N - n;
    V16 s[4];
    for (int j = 0; j < 4; j++) s[j] = accumulate ? load(dbias + n + 16 * j, left - 16 * j) : zero();
    if (left >= WIDTH) {
      for (int64_t m = 0; m < M; m++)
        for (int j = 0; j < 4; j++) s[j] += load(dy + m * lddy + n + 16 * j);
    } else {
      for (int64_t m = 0; m < M; m++)
        for (int j = 0; j < 4; j++) s[j] += load(dy + m * lddy + n + 16 * j, left - 16 * j);
    }
    for (int j = 0; j < 4; j++) store(dbias + n + 16 * j, s[j], left - 16 * j);
  });
}

// t = [x, w, y, bias?], a = [M, N, K, ldx, ldy, accumulate]
void linear(Pool& pool, const Command& c) {
  Product p = forward(c.dim(0), c.dim(1), c.dim(2), c.f(0), c.dim(3), c.f(1), c.f(2), c.dim(4), c.flag(5));
  p.bias = c.f(3);
  gemm(pool, p);
}

// t = [dy, w, dx], a = [M, N, K, lddy, lddx, accumulate]
void linearBackwardInput(Pool& pool, const Command& c) {
  gemm(pool, backwardInput(c.dim(0), c.dim(1), c.dim(2), c.f(0), c.dim(3), c.f(1), c.f(2), c.dim(4), c.flag(5)));
}

// t = [dy, x, dw, dbias?], a = [M, N, K, lddy, ldx, accumulate]
void linearBackwardWeights(Pool& pool, const Command* commands, int64_t count) {
  Product* products = static_cast<Product*>(pool.scratch(6, sizeof(Product) * static_cast<size_t>(count)));
  for (int64_t i = 0; i < count; i++) {
    const Command& c = commands[i];
    products[i] = backwardWeight(c.dim(0), c.dim(1), c.dim(2), c.f(0), c.dim(3), c.f(1), c.dim(4), c.f(2), c.flag(5));
  }
  gemm(pool, products, count);
  for (int64_t i = 0; i < count; i++) {
    const Command& c = commands[i];
    if (c.f(3)) columnSums(pool, c.dim(0), c.dim(1), c.f(0), c.dim(3), c.f(3), c.flag(5));
  }
}

void linearBackwardWeight(Pool& pool, const Command& c) { linearBackwardWeights(pool, &c, 1); }

// ---- packed weights ------------------------------------------------------------------------------------------------

// t = [w, packed], a = [N, K, turned]: for x · wᵀ or, turned, x · w
void packLinear(Pool& pool, const Command& c) {
  const int64_t N = c.dim(0), K = c.dim(1);
  if (c.flag(2)) pack(pool, K, N, {c.f(0), K, 1}, c.f(1));
  else pack(pool, N, K, {c.f(0), 1, K}, c.f(1));
}

// t = [x, packed, y, bias?], a = [M, N, K, ldx, ldy, accumulate]
void linearPacked(Pool& pool, const Command& c) {
  Product p = forward(c.dim(0), c.dim(1), c.dim(2), c.f(0), c.dim(3), nullptr, c.f(2), c.dim(4), c.flag(5));
  p.packed = c.f(1);
  p.bias = c.f(3);
  gemm(pool, p);
}

// ---- grouped -------------------------------------------------------------------------------------------------------

/** One product per expert, made by product(rows, first row, expert), in one parallel job. */
template <class F>
void grouped(Pool& pool, const Command& c, F product) {
  const int64_t E = c.dim(0);
  const int32_t* offsets = c.i32(3);
  Product* products = static_cast<Product*>(pool.scratch(6, sizeof(Product) * static_cast<size_t>(E)));
  for (int64_t e = 0; e < E; e++) {
    const int64_t from = offsets[e], rows = offsets[e + 1] - from;
    if (rows < 0) pool.fail("offsets decrease at expert %lld", static_cast<long long>(e));
    products[e] = product(rows, from, e);
  }
  gemm(pool, products, E);
}

// t = [x, w (E, N, K), y, offsets (E + 1)], a = [E, N, K, ldx, ldy, accumulate]
void groupedLinear(Pool& pool, const Command& c) {
  const int64_t N = c.dim(1), K = c.dim(2), ldx = c.dim(3), ldy = c.dim(4);
  grouped(pool, c, [&](int64_t rows, int64_t from, int64_t e) {
    return forward(rows, N, K, c.f(0) + from * ldx, ldx, c.f(1) + e * N * K, c.f(2) + from * ldy, ldy, c.flag(5));
  });
}

// t = [dy, w (E, N, K), dx, offsets (E + 1)], a = [E, N, K, lddy, lddx, accumulate]
void groupedLinearBackwardInput(Pool& pool, const Command& c) {
  const int64_t N = c.dim(1), K = c.dim(2), lddy = c.dim(3), lddx = c.dim(4);
  grouped(pool, c, [&](int64_t rows, int64_t from, int64_t e) {
    return backwardInput(rows, N, K, c.f(0) + from * lddy, lddy, c.f(1) + e * N * K, c.f(2) + from * lddx, lddx, c.flag(5));
  });
}

// t = [dy, x, dw (E, N, K), offsets (E + 1)], a = [E, N, K, lddy, ldx, accumulate]
void groupedLinearBackwardWeight(Pool& pool, const Command& c) {
  const int64_t N = c.dim(1), K = c.dim(2), lddy = c.dim(3), ldx = c.dim(4);
  grouped(pool, c, [&](int64_t rows, int64_t from, int64_t e) {
    // An expert without rows leaves dw alone or, not accumulating, sets it to 0: a chain of length 0 does both.
    return backwardWeight(rows, N, K, c.f(0) + from * lddy, lddy, c.f(1) + from * ldx, ldx, c.f(2) + e * N * K, c.flag(5));
  });
}

}  // namespace

extern const Entry linear_kernels[] = {
    {"linear", linear},
    {"linearBackwardInput", linearBackwardInput},
    {"linearBackwardWeight", linearBackwardWeight, linearBackwardWeights},
    {"packLinear", packLinear},
    {"linearPacked", linearPacked},
    {"groupedLinear", groupedLinear},
    {"groupedLinearBackwardInput", groupedLinearBackwardInput},
    {"groupedLinearBackwardWeight", groupedLinearBackwardWeight},
    {nullptr, nullptr}};

}  // namespace ts::ISA
