// Weights in few bits as the B of a matrix product (gemm.h): f32 values are made panel by panel, where the product packs
// B, and never a whole matrix of them. Each value is what reading the file as f32 gives, so products are those of the f32
// weight, bit for bit. Layout: few-bits.h.
#pragma once
#include "few-bits.h"
#include "gemm.h"
#include "gemm-micro.h"

namespace ts::ISA {

/** A weight (N, K). */
struct FewBits {
  const uint8_t* panels;
  int64_t K;
  Few type;
  void tile(int64_t panel, int64_t half, float* to) const { dequantiseTile(type, panels + panel * panelBytes(type, K), K, half, to); }
};

/** For y = x wᵀ: B(k, n) = w(n, k). */
inline void fillForward(const void* weight, int64_t k0, int64_t kc, int64_t n0, int64_t columns, float* to) {
  const FewBits& w = *static_cast<const FewBits*>(weight);
  for (int64_t j = 0; 16 * j < columns; j++, to += 16 * kc)
    for (int64_t h = k0 / 16; 16 * h < k0 + kc; h++) {
      const int64_t first = 16 * h > k0 ? 16 * h : k0, end = 16 * h + 16 < k0 + kc ? 16 * h + 16 : k0 + kc;
      if (end - first == 16) { w.tile(n0 / 16 + j, h, to + 16 * (first - k0)); continue; }
      alignas(64) float tile[256];
      w.tile(n0 / 16 + j, h, tile);
      memcpy(to + 16 * (first - k0), tile + 16 * (first - 16 * h), static_cast<size_t>(end - first) * 64);
    }
}

/** For dx = dy w: B(n, k) = w(n, k); the product's rows are n, its columns k. */
inline void fillBackward(const void* weight, int64_t n0, int64_t nc, int64_t k0, int64_t columns, float* to) {
  const FewBits& w = *static_cast<const FewBits*>(weight);
  for (int64_t p = n0 / 16; 16 * p < n0 + nc; p++) {
    const int64_t first = 16 * p > n0 ? 16 * p : n0, end = 16 * p + 16 < n0 + nc ? 16 * p + 16 : n0 + nc;
    for (int64_t j = 0; 16 * j < columns; j++) {
      alignas(64) float tile[256];
      w.tile(p, k0 / 16 + j, tile);
      packTransposed(tile + (first - 16 * p), 16, 16, end - first, to + (j * nc + first - n0) * 16, 16);
    }
  }
}

inline Source forwardOf(const FewBits& w) { return {fillForward, &w}; }
inline Source backwardOf(const FewBits& w) { return {fillBackward, &w}; }

}  // namespace ts::ISA
