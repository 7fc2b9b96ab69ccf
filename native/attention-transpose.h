// Transposition of keys and values, the rows of some positions, to (channel, position) as the cache holds keys.
#pragma once
#include "simd.h"

namespace ts::ISA {

#if defined(__AVX2__)
/** to[c][0..7] = from[0..7][c] for eight channels c: pairs of rows i and i + 4 through two rounds of shuffles. */
TS_INLINE void transpose8x8(const float* from, int64_t ld, float* to, int64_t ldTo) {
  for (int c = 0; c < 8; c += 4) {
    const auto pair = [&](int i) TS_LAMBDA {
      return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(from + i * ld + c)), _mm_loadu_ps(from + (i + 4) * ld + c), 1);
    };
    const __m256 r0 = pair(0), r1 = pair(1), r2 = pair(2), r3 = pair(3);
    const __m256 low01 = _mm256_unpacklo_ps(r0, r1), high01 = _mm256_unpackhi_ps(r0, r1);
    const __m256 low23 = _mm256_unpacklo_ps(r2, r3), high23 = _mm256_unpackhi_ps(r2, r3);
    _mm256_storeu_ps(to + (c + 0) * ldTo, _mm256_shuffle_ps(low01, low23, 0x44));
    _mm256_storeu_ps(to + (c + 1) * ldTo, _mm256_shuffle_ps(low01, low23, 0xee));
    _mm256_storeu_ps(to + (c + 2) * ldTo, _mm256_shuffle_ps(high01, high23, 0x44));
    _mm256_storeu_ps(to + (c + 3) * ldTo, _mm256_shuffle_ps(high01, high23, 0xee));
  }
}
#endif

/** to[c · ldTo + i] = from[i · ld + c] for `positions` i and `channels` c; touches nothing else. */
inline void transpose(const float* from, int64_t ld, int64_t positions, int64_t channels, float* to, int64_t ldTo) {
  int64_t i = 0;
#if defined(__AVX2__)
  for (; i + 8 <= positions; i += 8) {
    int64_t c = 0;
    for (; c + 8 <= channels; c += 8) transpose8x8(from + i * ld + c, ld, to + c * ldTo + i, ldTo);
    for (; c < channels; c++)
      for (int64_t j = i; j < i + 8; j++) to[c * ldTo + j] = from[j * ld + c];
  }
#endif
  for (; i < positions; i++)
    for (int64_t c = 0; c < channels; c++) to[c * ldTo + i] = from[i * ld + c];
}

}  // namespace ts::ISA
