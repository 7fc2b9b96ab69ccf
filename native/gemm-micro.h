// The inner parts of the matrix product: packing into panels and strips, and the kernel that keeps a tile of C (MR rows
// by NP panels of 16 columns) in registers while it walks k.
#pragma once
#include "fma-into.h"
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
/** to[i][0..7] = from[0..7][k + i] for eight i, in increasing order. */
TS_INLINE void transpose8(const float* const* from, int64_t k, float* to, int64_t ldTo) {
  const auto pair = [&](int row, int64_t at) TS_LAMBDA {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(from[row] + at)), _mm_loadu_ps(from[row + 4] + at), 1);
  };
  for (int i = 0; i < 8; i += 4) {
    const __m256 r0 = pair(0, k + i), r1 = pair(1, k + i), r2 = pair(2, k + i), r3 = pair(3, k + i);
    const __m256 a = _mm256_unpacklo_ps(r0, r1), b = _mm256_unpackhi_ps(r0, r1);
    const __m256 c = _mm256_unpacklo_ps(r2, r3), d = _mm256_unpackhi_ps(r2, r3);
    _mm256_storeu_ps(to + (i + 0) * ldTo, _mm256_shuffle_ps(a, c, 0x44));
    _mm256_storeu_ps(to + (i + 1) * ldTo, _mm256_shuffle_ps(a, c, 0xee));
    _mm256_storeu_ps(to + (i + 2) * ldTo, _mm256_shuffle_ps(b, d, 0x44));
    _mm256_storeu_ps(to + (i + 3) * ldTo, _mm256_shuffle_ps(b, d, 0xee));
  }
}
#endif

/** to[k][0..width-1] = from[0..width-1][k], ldTo floats per k. */
inline void packTransposed(const float* from, int64_t ld, int64_t width, int64_t kc, float* to, int64_t ldTo) {
  int64_t done = 0;
#if defined(__AVX2__)
  done = width / 8 * 8;
  for (int64_t i = 0; i < done; i += 8) {
    const float* rows[8];
    for (int64_t j = 0; j < 8; j++) rows[j] = from + (i + j) * ld;
    int64_t k = 0;
    for (; k + 8 <= kc; k += 8) transpose8(rows, k, to + k * ldTo + i, ldTo);
    for (; k < kc; k++)
      for (int64_t j = 0; j < 8; j++) to[k * ldTo + i + j] = rows[j][k];
  }
#endif
  for (int64_t i = done; i < width; i++)
    for (int64_t k = 0; k < kc; k++) to[k * ldTo + i] = from[i * ld + k];
}

/** Panels of B: to[j][k][0..15] = b(k, 16 j …), zeros behind the last column. `row` and `column` are b's strides. */
inline void packPanels(const float* b, int64_t row, int64_t column, int64_t columns, int64_t kc, float* to) {
  const int64_t panels = (columns + PANEL - 1) / PANEL, full = columns / PANEL, tail = columns % PANEL;
  if (column == 1) {  // along the rows of b, as they lie in memory
    for (int64_t k = 0; k < kc; k++) {
      const float* from = b + k * row;
      float* line = to + k * PANEL;
      for (int64_t j = 0; j < full; j++) {
        __builtin_prefetch(from + 4 * row + j * PANEL);
        store(line + j * kc * PANEL, load(from + j * PANEL));
      }
      if (tail) store(line + full * kc * PANEL, load(from + full * PANEL, tail));
    }
    return;
  }
  if (tail)
    for (int64_t k = 0; k < kc; k++) store(to + (full * kc + k) * PANEL, zero());
  for (int64_t j = 0; j < panels; j++) {
    const int64_t width = j < full ? PANEL : tail;
    const float* from = b + j * PANEL * column;
    float* panel = to + j * kc * PANEL;
    if (row == 1) packTransposed(from, column, width, kc, panel, PANEL);
    else
      for (int64_t k = 0; k < kc; k++)
        for (int64_t i = 0; i < width; i++) panel[k * PANEL + i] = from[k * row + i * column];
  }
}

constexpr int64_t stripFloats(int64_t kc) { return kc * MR + 16; }

/** Strips of an A whose rows lie next to each other: to[i][k][0..MR-1] = a(start(i) …, k), in the order of memory; strips
 *  are stripFloats(kc) apart. `column` is A's stride, `rows` is how many rows of it there are from a on. */
template <class F>
inline void packStrips(const float* a, int64_t column, int64_t rows, int64_t strips, F start, int64_t kc, float* to) {
  constexpr int VECTORS = (MR + W - 1) / W;  // their last lanes run into the next k, which is written afterwards
  constexpr int64_t STEPS = 8;
  for (int64_t k0 = 0; k0 < kc; k0 += STEPS) {
    const int64_t k1 = k0 + STEPS < kc ? k0 + STEPS : kc;
    for (int64_t i = 0; i < strips; i++) {
      const int64_t left = rows - start(i);
      float* strip = to + i * stripFloats(kc);
      for (int64_t k = k0; k < k1; k++) {
        const float* source = a + start(i) + k * column;
        __builtin_prefetch(source + STEPS * column);
        for (int v = 0; v < VECTORS; v++)
          vstore(strip + k * MR + v * W, left >= VECTORS * W ? vload(source + v * W) : vload(source + v * W, left - v * W));
      }
    }
  }
}

// ---- the register tile ---------------------------------------------------------------------------------------------

/** Lines of memory to ask for while a strip runs: `count` of them, `stride` floats apart, every 16 steps, then `step` on. */
struct Ahead {
  const float* at;
  int64_t count, stride, step;
};

struct Strip {
  int64_t kc;
  const float* a;
  int64_t lda;          // floats from row to row, or from k to k
  const float* b;
  int64_t panelStride;  // floats from one panel of B to the next
  int64_t ldb;          // floats from k to k, where B lies in rows
  float* c;
  int64_t ldc;
  bool fromC;           // start from C, else from 0
  bool ontoC;           // behind the chain: c = fma(alpha, chain, c)
  float alpha;          // applied behind the chain, as is the bias
  const float* bias;
  const float* nextC;   // where the next tile of C will be
  Ahead aheadA, aheadB; // A of the next strip, B of the next block
};

/** How A lies: rows with k along memory, or all rows of one k next to each other. */
enum class A { ROWS, COLUMNS };

/** Where B comes from: panels in a cache, panels from memory, asked for 2 KB ahead, or rows as they lie. */
enum class B { PANELS, STREAM, ROWS };

/** C (R rows, P panels) from one pass over kc. */
template <int R, int P, A LAYOUT, B SOURCE = B::PANELS>
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
    for (int r = 0; r < R; r++)
#pragma GCC unroll 16
      for (int v = 0; v < NV; v++) acc[r][v] = vf{};
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 16
    for (int p = 0; p < P; p++) __builtin_prefetch(s.nextC + r * s.ldc + p * PANEL, 1);

  // Rows are reached from a pointer per three: base, base + lda, base + 2 lda are addresses the processor forms by itself.
  constexpr bool ROWS = LAYOUT == A::ROWS;
  constexpr int BASES = ROWS ? (R + 2) / 3 : 1;
  const float* a[BASES];
  const float* b = s.b;
  const int64_t lda = s.lda, panelStride = SOURCE == B::ROWS ? PANEL : s.panelStride, stepB = SOURCE == B::ROWS ? s.ldb : PANEL;
#pragma GCC unroll 16
  for (int j = 0; j < BASES; j++) {
    a[j] = s.a + 3 * j * lda;
    asm("" : "+r"(a[j]));  // keeps the compiler from deriving them from each other, and running out of registers
  }
  const auto step = [&](int i) TS_LAMBDA {
    if (SOURCE == B::STREAM)
#pragma GCC unroll 16
      for (int p = 0; p < P; p++) __builtin_prefetch(b + p * panelStride + (i + 32) * PANEL);
    vf bv[NV];
#pragma GCC unroll 16
    for (int v = 0; v < NV; v++) bv[v] = vload(b + (v / PARTS) * panelStride + (v % PARTS) * W + i * stepB);
#pragma GCC unroll 16
    for (int r = 0; r < R; r++) {
      const vf x = vset(ROWS ? a[ROWS ? r / 3 : 0][r % 3 * lda + i] : a[0][r]);
#pragma GCC unroll 16
      for (int v = 0; v < NV; v++) fmaInto<R * NV>(acc[r][v], x, bv[v]);
    }
    if (!ROWS) a[0] += lda;
  };
  const auto advance = [&](int steps) TS_LAMBDA {
    b += steps * stepB;
#pragma GCC unroll 16
    for (int j = 0; j < BASES; j++) a[j] += ROWS ? steps : 0;
  };
  // Integer instructions compete with fma for execution ports: four steps share them.
  const float *aheadA = s.aheadA.at, *aheadB = s.aheadB.at;
  int64_t k = 0;
  for (; k + 16 <= s.kc; k += 16) {
    const float* line = aheadA;
    for (int64_t i = 0; i < s.aheadA.count; i++, line += s.aheadA.stride) __builtin_prefetch(line);
    aheadA += s.aheadA.step;
    line = aheadB;
    for (int64_t i = 0; i < s.aheadB.count; i++, line += s.aheadB.stride) __builtin_prefetch(line, 0, 2);
    aheadB += s.aheadB.step;
    for (int quarter = 0; quarter < 4; quarter++) {
#pragma GCC unroll 4
      for (int i = 0; i < 4; i++) step(i);
      advance(4);
    }
  }
  for (; k < s.kc; k++) {
    step(0);
    advance(1);
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
