// The inner parts of the matrix product: packing into panels and strips, and the kernel that keeps a tile of C (MR rows
// by NP panels of 16 columns) in registers while it walks k.
#pragma once
#include "simd.h"

namespace ts::ISA {

constexpr int64_t PANEL = 16;

// Tile of C in registers: 28 + 4 of 32 (AVX-512), 12 + 3 of 16 (AVX2), 24 + 5 of 32 (NEON), 8 + 5 of 16 (SSE).
#if defined(__AVX512F__)
constexpr int MR = 14, NP = 2;
#elif defined(__AVX2__)
constexpr int MR = 6, NP = 1;
#elif defined(__ARM_NEON)
constexpr int MR = 6, NP = 1;
#else
constexpr int MR = 2, NP = 1;
#endif

// ---- packing -------------------------------------------------------------------------------------------------------

#if defined(__AVX2__)
/** to[k][0..7] = from[0..7][k] for eight k. */
TS_INLINE void transpose8(const float* from, int64_t ld, float* to, int64_t ldTo) {
  const auto pair = [&](int i, int k) TS_LAMBDA {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(from + i * ld + k)), _mm_loadu_ps(from + (i + 4) * ld + k), 1);
  };
  for (int k = 0; k < 8; k += 4) {
    const __m256 r0 = pair(0, k), r1 = pair(1, k), r2 = pair(2, k), r3 = pair(3, k);
    const __m256 a = _mm256_unpacklo_ps(r0, r1), b = _mm256_unpackhi_ps(r0, r1);
    const __m256 c = _mm256_unpacklo_ps(r2, r3), d = _mm256_unpackhi_ps(r2, r3);
    _mm256_storeu_ps(to + (k + 0) * ldTo, _mm256_shuffle_ps(a, c, 0x44));
    _mm256_storeu_ps(to + (k + 1) * ldTo, _mm256_shuffle_ps(a, c, 0xee));
    _mm256_storeu_ps(to + (k + 2) * ldTo, _mm256_shuffle_ps(b, d, 0x44));
    _mm256_storeu_ps(to + (k + 3) * ldTo, _mm256_shuffle_ps(b, d, 0xee));
  }
}
#endif

/** to[k][0..width-1] = from[0..width-1][k], `ldTo` floats per k; what lies behind width is left alone. */
inline void packTransposed(const float* from, int64_t ld, int64_t width, int64_t kc, float* to, int64_t ldTo) {
  int64_t i = 0;
#if defined(__AVX2__)
  for (; i + 8 <= width; i += 8) {
    int64_t k = 0;
    for (; k + 8 <= kc; k += 8) transpose8(from + i * ld + k, ld, to + k * ldTo + i, ldTo);
    for (; k < kc; k++)
      for (int64_t j = i; j < i + 8; j++) to[k * ldTo + j] = from[j * ld + k];
  }
#endif
  for (; i < width; i++)
    for (int64_t k = 0; k < kc; k++) to[k * ldTo + i] = from[i * ld + k];
}

/** One panel: to[k][0..15] = b(k, 0..columns-1), then zeros. `row` and `column` are b's strides. */
inline void packPanel(const float* b, int64_t row, int64_t column, int64_t columns, int64_t kc, float* to) {
  if (column == 1) {
    if (columns >= PANEL) {
      for (int64_t k = 0; k < kc; k++) store(to + k * PANEL, load(b + k * row));
    } else {
      for (int64_t k = 0; k < kc; k++) store(to + k * PANEL, load(b + k * row, columns));
    }
    return;
  }
  const int64_t width = columns < PANEL ? columns : PANEL;
  if (width < PANEL)
    for (int64_t k = 0; k < kc; k++) store(to + k * PANEL, zero());
  if (row == 1) packTransposed(b, column, width, kc, to, PANEL);
  else
    for (int64_t k = 0; k < kc; k++)
      for (int64_t j = 0; j < width; j++) to[k * PANEL + j] = b[k * row + j * column];
}

/** One strip: to[k][0..rows-1] = a(0..rows-1, k), MR floats per k; `to` must have room for 16 floats behind its end. */
inline void packStrip(const float* a, int64_t row, int64_t column, int64_t rows, int64_t kc, float* to) {
  if (row == 1) {
    for (int64_t k = 0; k < kc; k++) store(to + k * MR, load(a + k * column, rows));
  } else {
    packTransposed(a, row, rows, kc, to, MR);
  }
}

// ---- the register tile ---------------------------------------------------------------------------------------------

struct Strip {
  int64_t kc;
  const float* a;
  int64_t lda;          // row stride of an unpacked A
  const float* b;
  int64_t panelStride;  // floats from one panel of B to the next
  float* c;
  int64_t ldc;
  bool fromC;           // start from C, else from 0
  bool ontoC;           // behind the chain: c = fma(alpha, chain, c)
  float alpha;          // applied behind the chain, as is the bias
  const float* bias;
};

/** C (R rows, P panels) from one pass over kc. PACKED: A is a strip of MR floats per k, else rows of stride lda. */
template <int R, int P, bool PACKED>
void micro(const Strip& s) {
  constexpr int NV = P * PARTS;
  vf acc[R][NV];
  if (s.fromC) {
#pragma GCC unroll 16
    for (int r = 0; r < R; r++)
#pragma GCC unroll 16
      for (int v = 0; v < NV; v++) acc[r][v] = vload(s.c + r * s.ldc + v * W);
  } else {
#pragma GCC unroll 16
    for (int r = 0; r < R; r++) {
#pragma GCC unroll 16
      for (int v = 0; v < NV; v++) acc[r][v] = vf{};
#pragma GCC unroll 16
      for (int p = 0; p < P; p++) __builtin_prefetch(s.c + r * s.ldc + p * PANEL, 1);
    }
  }
  const float* a = s.a;
  const float* b = s.b;
  const int64_t lda = s.lda, panelStride = s.panelStride;
  for (int64_t k = 0; k < s.kc; k++) {
    vf bv[NV];
#pragma GCC unroll 16
    for (int v = 0; v < NV; v++) bv[v] = vload(b + (v / PARTS) * panelStride + (v % PARTS) * W);
#pragma GCC unroll 16
    for (int r = 0; r < R; r++) {
      const vf x = vset(PACKED ? a[r] : a[r * lda]);
#pragma GCC unroll 16
      for (int v = 0; v < NV; v++) acc[r][v] = vfma(x, bv[v], acc[r][v]);
    }
    b += PANEL;
    a += PACKED ? MR : 1;
  }
  if (s.ontoC) {
    const vf alpha = vset(s.alpha);
#pragma GCC unroll 16
    for (int r = 0; r < R; r++)
#pragma GCC unroll 16
      for (int v = 0; v < NV; v++) acc[r][v] = vfma(alpha, acc[r][v], vload(s.c + r * s.ldc + v * W));
  } else if (s.alpha != 1.0f) {
    const vf alpha = vset(s.alpha);
#pragma GCC unroll 16
    for (int r = 0; r < R; r++)
#pragma GCC unroll 16
      for (int v = 0; v < NV; v++) acc[r][v] *= alpha;
  }
  if (s.bias) {
#pragma GCC unroll 16
    for (int v = 0; v < NV; v++) {
      const vf bias = vload(s.bias + v * W);
#pragma GCC unroll 16
      for (int r = 0; r < R; r++) acc[r][v] += bias;
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 16
    for (int v = 0; v < NV; v++) vstore(s.c + r * s.ldc + v * W, acc[r][v]);
}

using Micro = void (*)(const Strip&);

}  // namespace ts::ISA
