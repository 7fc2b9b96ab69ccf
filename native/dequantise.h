// Weights in few bits as the B of a matrix product (gemm.h): f32 values are made panel by panel, where the product packs
// B, and never a whole matrix of them. Layout: kernels/compressed.cpp. Each value is what reading the file as f32 gives
// (q4: fma(d, q, m), where d q is exact; q8: d (q − 128); 16 bits widened), so products are those of the f32 weight, bit
// for bit. Sixteen rows n by sixteen k at a time: lanes are rows, as in the panels.
#pragma once
#include "gemm.h"
#include "gemm-micro.h"
#include "half.h"

namespace ts::ISA {

/** A weight (N, K). Type: 0 q4, 1 q8, 2 f16, 3 bf16, as in src/engine/panels.ts. */
struct FewBits {
  const uint8_t* panels;
  int64_t K, type;
};

namespace {

template <int TYPE>
constexpr int64_t BLOCK_BYTES = TYPE == 0 ? 256 : 512;
template <int TYPE>
constexpr int64_t BLOCK_SCALES = TYPE == 0 ? 32 : 16;

/** to[i][0..15] = w(16 panel …, 16 half + i) for sixteen i; 0 behind the last k. */
template <int TYPE>
TS_INLINE void dequantiseTile(const FewBits& w, int64_t panel, int64_t half, float* to) {
  if constexpr (TYPE >= 2) {
    const uint16_t* from = reinterpret_cast<const uint16_t*>(w.panels) + (panel * w.K + 16 * half) * 16;
    for (int i = 0; i < 16; i++) store(to + 16 * i, 16 * half + i < w.K ? widen<TYPE == 3>(from + 16 * i) : zero());
  } else {
    const int64_t blocks = w.K / 32, b = half / 2, odd = half % 2;
    const uint8_t* from = w.panels + panel * ((blocks * (BLOCK_BYTES<TYPE> + 2 * BLOCK_SCALES<TYPE>) + 63) / 64 * 64);
    const uint16_t* scales = reinterpret_cast<const uint16_t*>(from + blocks * BLOCK_BYTES<TYPE>) + b * BLOCK_SCALES<TYPE>;
    const V16 d = widen<false>(scales), m = TYPE == 0 ? widen<false>(scales + 16) : zero();
    const uint8_t* quants = from + b * BLOCK_BYTES<TYPE> + (TYPE == 0 ? 0 : 256 * odd);
    const int shift = TYPE == 0 ? static_cast<int>(4 * odd) : 0;
    for (int g = 0; g < 4; g++) {
      const I16 four = loadInt(reinterpret_cast<const int32_t*>(quants + 64 * g));
      for (int j = 0; j < 4; j++) {
        const I16 q = (four >> (8 * j + shift)) & broadcastInt(TYPE == 0 ? 15 : 255);
        store(to + 16 * (4 * g + j), TYPE == 0 ? fma(d, toFloat(q), m) : d * toFloat(q - broadcastInt(128)));
      }
    }
  }
}

/** For y = x wᵀ: B(k, n) = w(n, k). */
template <int TYPE>
void fillForward(const FewBits& w, int64_t k0, int64_t kc, int64_t n0, int64_t columns, float* to) {
  for (int64_t j = 0; 16 * j < columns; j++, to += 16 * kc)
    for (int64_t h = k0 / 16; 16 * h < k0 + kc; h++) {
      const int64_t first = 16 * h > k0 ? 16 * h : k0, end = 16 * h + 16 < k0 + kc ? 16 * h + 16 : k0 + kc;
      if (end - first == 16) { dequantiseTile<TYPE>(w, n0 / 16 + j, h, to + 16 * (first - k0)); continue; }
      alignas(64) float tile[256];
      dequantiseTile<TYPE>(w, n0 / 16 + j, h, tile);
      memcpy(to + 16 * (first - k0), tile + 16 * (first - 16 * h), static_cast<size_t>(end - first) * 64);
    }
}

/** For dx = dy w: B(n, k) = w(n, k); the product's rows are n, its columns k. */
template <int TYPE>
void fillBackward(const FewBits& w, int64_t n0, int64_t nc, int64_t k0, int64_t columns, float* to) {
  for (int64_t p = n0 / 16; 16 * p < n0 + nc; p++) {
    const int64_t first = 16 * p > n0 ? 16 * p : n0, end = 16 * p + 16 < n0 + nc ? 16 * p + 16 : n0 + nc;
    for (int64_t j = 0; 16 * j < columns; j++) {
      alignas(64) float tile[256];
      dequantiseTile<TYPE>(w, p, k0 / 16 + j, tile);
      packTransposed(tile + (first - 16 * p), 16, 16, end - first, to + (j * nc + first - n0) * 16, 16);
    }
  }
}

template <bool FORWARD>
void fillFewBits(const void* context, int64_t k0, int64_t kc, int64_t n0, int64_t columns, float* to) {
  using Fill = void (*)(const FewBits&, int64_t, int64_t, int64_t, int64_t, float*);
  constexpr Fill forward[] = {fillForward<0>, fillForward<1>, fillForward<2>, fillForward<3>};
  constexpr Fill backward[] = {fillBackward<0>, fillBackward<1>, fillBackward<2>, fillBackward<3>};
  const FewBits& w = *static_cast<const FewBits*>(context);
  (FORWARD ? forward : backward)[w.type](w, k0, kc, n0, columns, to);
}

inline Source forwardOf(const FewBits& w) { return {fillFewBits<true>, &w}; }
inline Source backwardOf(const FewBits& w) { return {fillFewBits<false>, &w}; }

}  // namespace
}  // namespace ts::ISA
