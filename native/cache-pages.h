// Pages of the cache in fewer bits, for fast mode: one head of 64 positions, keys (D, 64) or values (64, Dv), as f32, f16,
// or q8: all numbers of a position as 8 bits, x ≈ s q with s = max|x| / 127, then the 64 scales (f32).
// Attention widens a page into the thread's own memory and goes on with it as if it had been f32.
#pragma once
#include "half.h"

namespace ts::ISA {

enum class CacheType { F32, F16, Q8 };

constexpr int64_t PAGE_POSITIONS = 64;

/** Bytes of one head of a page with that many channels. */
inline int64_t pageBytes(CacheType type, int64_t channels) {
  return type == CacheType::F32 ? channels * PAGE_POSITIONS * 4 : type == CacheType::F16 ? channels * PAGE_POSITIONS * 2 : (channels + 4) * PAGE_POSITIONS;
}

/** Puts the channels of one position into a page, `step` elements apart from `first` on. */
inline void writePosition(CacheType type, uint8_t* page, int64_t position, const float* x, int64_t channels, int64_t first, int64_t step) {
  if (type == CacheType::F16) {
    uint16_t* to = reinterpret_cast<uint16_t*>(page) + first;
    for (int64_t c = 0; c < channels; c++) to[c * step] = floatToHalf(x[c]);
    return;
  }
  int8_t* to = reinterpret_cast<int8_t*>(page) + first;
  float largest = 0;
  for (int64_t c = 0; c < channels; c++) largest = __builtin_fabsf(x[c]) > largest ? __builtin_fabsf(x[c]) : largest;
  const float inverse = largest > 0 ? 127.0f / largest : 0.0f, magic = 12582912.0f;  // adding 1.5 · 2²³ rounds, ties to even
  for (int64_t c = 0; c < channels; c++) to[c * step] = static_cast<int8_t>(x[c] * inverse + magic - magic);
  reinterpret_cast<float*>(page + channels * PAGE_POSITIONS)[position] = largest / 127.0f;
}

/** Sixteen numbers of 8 bits. */
TS_INLINE V16 widenBytes(const int8_t* p) {
#if defined(__AVX512F__)
  return {{(vf)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))}};
#elif defined(__AVX2__)
  return parts<V16>([&](int i) TS_LAMBDA { return (vf)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p + 8 * i)))); });
#else
  float values[16];
  for (int i = 0; i < 16; i++) values[i] = p[i];
  return load(values);
#endif
}

/** The first `positions` of keys (D, 64), rounded up to 16, as f32. */
inline void widenKeys(CacheType type, const uint8_t* page, int64_t D, int64_t positions, float* out) {
  const float* scales = reinterpret_cast<const float*>(page + D * PAGE_POSITIONS);
  for (int64_t c = 0; c < D; c++)
    for (int64_t j = 0; j < positions; j += 16) {
      const int64_t at = c * PAGE_POSITIONS + j;
      store(out + at, type == CacheType::F16 ? widen<false>(reinterpret_cast<const uint16_t*>(page) + at) : widenBytes(reinterpret_cast<const int8_t*>(page) + at) * load(scales + j));
    }
}

/** The first `positions` of values (64, Dv) as f32. */
inline void widenValues(CacheType type, const uint8_t* page, int64_t Dv, int64_t positions, float* out) {
  const float* scales = reinterpret_cast<const float*>(page + Dv * PAGE_POSITIONS);
  const int64_t n = positions * Dv, whole = n / 16 * 16;
  if (type == CacheType::F16) {
    const uint16_t* from = reinterpret_cast<const uint16_t*>(page);
    for (int64_t i = 0; i < whole; i += 16) store(out + i, widen<false>(from + i));
    for (int64_t i = whole; i < n; i++) out[i] = halfToFloat(from[i]);
    return;
  }
  const int8_t* from = reinterpret_cast<const int8_t*>(page);
  for (int64_t j = 0; j < positions; j++, from += Dv, out += Dv) {
    const V16 scale = broadcast(scales[j]);
    int64_t c = 0;
    for (; c + 16 <= Dv; c += 16) store(out + c, widenBytes(from + c) * scale);
    for (; c < Dv; c++) out[c] = static_cast<float>(from[c]) * scales[j];
  }
}

}  // namespace ts::ISA
