// Sixteen rows of quantised weights against a few tokens of 8-bit activations (layout: kernels/compressed.cpp).
// Integer products by what the machine has: vpdpbusd (AVX-512 VNNI), maddubs (AVX-512, AVX2), plain loops elsewhere. All
// give the same integers, and the f32 steps around them are the same, so the results are the same bits.
#pragma once
#include "rows.h"

namespace ts::ISA {

/** Rows of 8-bit activations with their blocks' scales s, sums Σ q, and s Σ q. */
struct Activations {
  int8_t* quants;
  float *scales, *scaledSums;
  int32_t* sums;
  Activations from(int64_t t, int64_t K) const { return {quants + t * K, scales + t * (K / 32), scaledSums + t * (K / 32), sums + t * (K / 32)}; }
};

/** Tokens that one pass over a panel serves at most. */
constexpr int DOT_TOKENS = W == 16 ? 8 : W == 8 ? 4 : 1;

using PanelDot = void (*)(int tokens, int64_t blocks, int64_t K, const uint8_t* quants, const uint16_t* scales, const Activations& x, V16* sums);

namespace {

/** Asks for a block's share of the stream of panels 16 KiB early, into the second cache: the first has too few open
 *  requests to keep memory busy (14 against 28 GB/s on a Sapphire Rapids core). */
template <int BYTES>
TS_INLINE void fetchAhead(const uint8_t* panel, int64_t b) {
  constexpr int DISTANCE = 16384;
  const char* at = reinterpret_cast<const char*>(panel) + b * BYTES + DISTANCE;
  for (int i = 0; i < BYTES; i += 64) __builtin_prefetch(at + i, 0, 2);
}

#if defined(__AVX512F__)

TS_INLINE V16 scalesOf(const uint16_t* p) { return {{(vf)_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))}}; }
TS_INLINE __m512i four(const int8_t* q) { int32_t bytes; memcpy(&bytes, q, 4); return _mm512_set1_epi32(bytes); }

struct Vnni {
  __attribute__((target("avx512vnni"), always_inline)) static inline __m512i dot(__m512i sum, __m512i w, const int8_t* q) {
    return _mm512_dpbusd_epi32(sum, w, four(q));
  }
};
struct Madd {
  /** For 4-bit weights alone: 255 · 127 · 2 would not fit 16 bits. */
  static TS_INLINE __m512i dot(__m512i sum, __m512i w, const int8_t* q) {
    return _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(w, four(q)), _mm512_set1_epi16(1)));
  }
};

#define TS_DOT_BODY(TOKENS, Q8, DOT)                                                                                     \
  V16 acc[TOKENS];                                                                                                       \
  for (int t = 0; t < TOKENS; t++) acc[t] = zero();                                                                      \
  constexpr int BYTES = Q8 ? 512 : 256, SCALES = Q8 ? 16 : 32;                                                           \
  const __m512i low = _mm512_set1_epi8(15);                                                                              \
  for (int64_t b = 0; b < blocks; b++) {                                                                                 \
    const uint8_t* w = quants + b * BYTES;                                                                               \
    fetchAhead<BYTES + 2 * SCALES>(quants, b);                                                                           \
    __m512i group[8];                                                                                                    \
    for (int g = 0; g < 4; g++) {                                                                                        \
      const __m512i raw = _mm512_loadu_si512(w + 64 * g);                                                                \
      if (Q8) { group[g] = raw; group[g + 4] = _mm512_loadu_si512(w + 64 * g + 256); }                                    \
      else { group[g] = _mm512_and_si512(raw, low); group[g + 4] = _mm512_and_si512(_mm512_srli_epi16(raw, 4), low); }   \
    }                                                                                                                    \
    const V16 d = scalesOf(scales + b * SCALES), m = Q8 ? zero() : scalesOf(scales + b * SCALES + 16);                   \
    for (int t = 0; t < TOKENS; t++) {                                                                                   \
      const int8_t* q = x.quants + t * K + b * 32;                                                                       \
      const int64_t at = t * blocks + b;                                                                                 \
      __m512i first = Q8 ? _mm512_set1_epi32(-128 * x.sums[at]) : _mm512_setzero_si512(), second = _mm512_setzero_si512(); \
      for (int g = 0; g < 4; g++) { first = DOT(first, group[g], q + 4 * g); second = DOT(second, group[g + 4], q + 16 + 4 * g); } \
      const V16 whole = {{(vf)_mm512_cvtepi32_ps(_mm512_add_epi32(first, second))}};                                     \
      acc[t] = fma(d * broadcast(x.scales[at]), whole, acc[t]);                                                          \
      if (!Q8) acc[t] = fma(m, broadcast(x.scaledSums[at]), acc[t]);                                                     \
    }                                                                                                                    \
  }                                                                                                                      \
  for (int t = 0; t < TOKENS; t++) sums[t] = acc[t];

/** w + 128 as 8 bits without a sign, by halves: 127 · 127 · 2 fits 16 bits. */
TS_INLINE __m512i dotWide(__m512i sum, __m512i w, const int8_t* q) {
  const __m512i even = _mm512_set1_epi16(0x00ff), x = four(q);
  const __m512i we = _mm512_and_si512(w, even), wo = _mm512_srli_epi16(w, 8);
  const __m512i xe = _mm512_srai_epi16(_mm512_slli_epi16(x, 8), 8), xo = _mm512_srai_epi16(x, 8);
  return _mm512_add_epi32(sum, _mm512_add_epi32(_mm512_madd_epi16(we, xe), _mm512_madd_epi16(wo, xo)));
}

template <int TOKENS, bool Q8>
__attribute__((target("avx512vnni"))) void dotVnni(int, int64_t blocks, int64_t K, const uint8_t* quants, const uint16_t* scales, const Activations& x, V16* sums) {
  TS_DOT_BODY(TOKENS, Q8, Vnni::dot)
}
template <int TOKENS, bool Q8>
void dotMadd(int, int64_t blocks, int64_t K, const uint8_t* quants, const uint16_t* scales, const Activations& x, V16* sums) {
  if constexpr (Q8) { TS_DOT_BODY(TOKENS, true, dotWide) } else { TS_DOT_BODY(TOKENS, false, Madd::dot) }
}

template <bool Q8>
void dotAvx512(int tokens, int64_t blocks, int64_t K, const uint8_t* quants, const uint16_t* scales, const Activations& x, V16* sums) {
  static const bool vnni = __builtin_cpu_supports("avx512vnni");
  constexpr PanelDot fast[] = {dotVnni<1, Q8>, dotVnni<2, Q8>, dotVnni<3, Q8>, dotVnni<4, Q8>, dotVnni<5, Q8>, dotVnni<6, Q8>, dotVnni<7, Q8>, dotVnni<8, Q8>};
  constexpr PanelDot plain[] = {dotMadd<1, Q8>, dotMadd<2, Q8>, dotMadd<3, Q8>, dotMadd<4, Q8>, dotMadd<5, Q8>, dotMadd<6, Q8>, dotMadd<7, Q8>, dotMadd<8, Q8>};
  (vnni ? fast : plain)[tokens - 1](tokens, blocks, K, quants, scales, x, sums);
}
TS_INLINE PanelDot panelDotQ4() { return dotAvx512<false>; }
TS_INLINE PanelDot panelDotQ8() { return dotAvx512<true>; }

#elif defined(__AVX2__)

TS_INLINE vf scalesOf(const uint16_t* p) { return (vf)_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
TS_INLINE __m256i four(const int8_t* q) { int32_t bytes; memcpy(&bytes, q, 4); return _mm256_set1_epi32(bytes); }

/** Eight rows of the panel (half 0 or 1): all of K for up to four tokens. */
template <int TOKENS, bool Q8>
TS_INLINE void dotHalf(int half, int64_t blocks, int64_t K, const uint8_t* quants, const uint16_t* scales, const Activations& x, V16* sums) {
  constexpr int BYTES = Q8 ? 512 : 256, SCALES = Q8 ? 16 : 32;
  const __m256i low = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1);
  vf acc[TOKENS];
  for (int t = 0; t < TOKENS; t++) acc[t] = vset(0);
  for (int64_t b = 0; b < blocks; b++) {
    const uint8_t* w = quants + b * BYTES + 32 * half;
    if (half == 0) fetchAhead<BYTES + 2 * SCALES>(quants, b);
    const vf d = scalesOf(scales + b * SCALES + 8 * half);
    __m256i total[TOKENS];
    for (int t = 0; t < TOKENS; t++) total[t] = _mm256_setzero_si256();
    for (int g = 0; g < 4; g++) {
      const __m256i raw = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w + 64 * g));
      if constexpr (Q8) {  // |w| · (x with w's sign): 128 · 127 · 2 fits 16 bits
        const __m256i flip = _mm256_set1_epi8(static_cast<char>(0x80));
        const __m256i wa = _mm256_xor_si256(raw, flip), wb = _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(w + 64 * g + 256)), flip);
        const __m256i aa = _mm256_abs_epi8(wa), ab = _mm256_abs_epi8(wb);
        for (int t = 0; t < TOKENS; t++) {
          const int8_t* q = x.quants + t * K + b * 32 + 4 * g;
          const __m256i pa = _mm256_maddubs_epi16(aa, _mm256_sign_epi8(four(q), wa)), pb = _mm256_maddubs_epi16(ab, _mm256_sign_epi8(four(q + 16), wb));
          total[t] = _mm256_add_epi32(total[t], _mm256_add_epi32(_mm256_madd_epi16(pa, ones), _mm256_madd_epi16(pb, ones)));
        }
      } else {  // eight products of pairs, 15 · 127 · 2 each, fit 16 bits together
        const __m256i wa = _mm256_and_si256(raw, low), wb = _mm256_and_si256(_mm256_srli_epi16(raw, 4), low);
        for (int t = 0; t < TOKENS; t++) {
          const int8_t* q = x.quants + t * K + b * 32 + 4 * g;
          total[t] = _mm256_add_epi16(total[t], _mm256_add_epi16(_mm256_maddubs_epi16(wa, four(q)), _mm256_maddubs_epi16(wb, four(q + 16))));
        }
      }
    }
    const vf m = Q8 ? vset(0) : scalesOf(scales + b * SCALES + (Q8 ? 0 : 16) + 8 * half);
    for (int t = 0; t < TOKENS; t++) {
      const int64_t at = t * blocks + b;
      const vf whole = (vf)_mm256_cvtepi32_ps(Q8 ? total[t] : _mm256_madd_epi16(total[t], ones));
      acc[t] = vfma(d * vset(x.scales[at]), whole, acc[t]);
      if constexpr (!Q8) acc[t] = vfma(m, vset(x.scaledSums[at]), acc[t]);
    }
  }
  for (int t = 0; t < TOKENS; t++) sums[t].v[half] = acc[t];
}

template <int TOKENS, bool Q8>
void dotTokens(int, int64_t blocks, int64_t K, const uint8_t* quants, const uint16_t* scales, const Activations& x, V16* sums) {
  dotHalf<TOKENS, Q8>(0, blocks, K, quants, scales, x, sums);
  dotHalf<TOKENS, Q8>(1, blocks, K, quants, scales, x, sums);
}
template <bool Q8>
void dotAvx2(int tokens, int64_t blocks, int64_t K, const uint8_t* quants, const uint16_t* scales, const Activations& x, V16* sums) {
  constexpr PanelDot table[] = {dotTokens<1, Q8>, dotTokens<2, Q8>, dotTokens<3, Q8>, dotTokens<4, Q8>};
  table[tokens - 1](tokens, blocks, K, quants, scales, x, sums);
}
TS_INLINE PanelDot panelDotQ4() { return dotAvx2<false>; }
TS_INLINE PanelDot panelDotQ8() { return dotAvx2<true>; }

#else

inline float wideScale(uint16_t h) {  // f16 → f32
  const uint32_t exponent = (h >> 10) & 31, mantissa = h & 1023;
  const float sign = h & 0x8000 ? -1.0f : 1.0f;
  if (exponent == 0) return sign * static_cast<float>(mantissa) * 0x1p-24f;
  const uint32_t bits = (exponent == 31 ? 255u : exponent + 112) << 23 | mantissa << 13;
  float f;
  memcpy(&f, &bits, 4);
  return sign * f;
}

template <bool Q8>
void dotPlain(int, int64_t blocks, int64_t, const uint8_t* quants, const uint16_t* scales, const Activations& x, V16* sums) {
  float acc[16] = {};
  for (int64_t b = 0; b < blocks; b++) {
    const int8_t* q = x.quants + b * 32;
    const uint8_t* w = quants + b * (Q8 ? 512 : 256);
    int32_t total[16] = {};
    for (int g = 0; g < (Q8 ? 8 : 4); g++)
      for (int r = 0; r < 16; r++)
        for (int j = 0; j < 4; j++) {
          const uint8_t value = w[64 * g + 4 * r + j];
          if (Q8) total[r] += (value - 128) * q[4 * g + j];
          else total[r] += (value & 15) * q[4 * g + j] + (value >> 4) * q[16 + 4 * g + j];
        }
    const uint16_t* s = scales + b * (Q8 ? 16 : 32);
    for (int r = 0; r < 16; r++) {
      acc[r] = fma1(wideScale(s[r]) * x.scales[b], static_cast<float>(total[r]), acc[r]);
      if (!Q8) acc[r] = fma1(wideScale(s[16 + r]), x.scaledSums[b], acc[r]);
    }
  }
  sums[0] = load(acc);
}
TS_INLINE PanelDot panelDotQ4() { return dotPlain<false>; }
TS_INLINE PanelDot panelDotQ8() { return dotPlain<true>; }

#endif

}  // namespace
}  // namespace ts::ISA
