// Numbers of 16 bits: f16 (IEEE 754 binary16) and bf16 (the upper half of f32), widened exactly and rounded to the nearest,
// ties to even, by the machine's instructions where it has them, to the same bits.
#pragma once
#include "simd.h"

namespace ts::ISA {

inline float halfToFloat(uint16_t h) {
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000) << 16, exponent = (h >> 10) & 31, mantissa = h & 1023;
  uint32_t bits;
  if (exponent == 31) bits = sign | 0x7f800000 | mantissa << 13;
  else if (exponent != 0) bits = sign | (exponent + 112) << 23 | mantissa << 13;
  else {
    const float value = static_cast<float>(mantissa) * 0x1p-24f;
    memcpy(&bits, &value, 4);
    bits |= sign;
  }
  float f;
  memcpy(&f, &bits, 4);
  return f;
}

/** To f16; what is too large becomes infinite. */
inline uint16_t floatToHalf(float x) {
#if defined(__AVX2__)
  return static_cast<uint16_t>(_cvtss_sh(x, 0));
#else
  uint32_t b;
  memcpy(&b, &x, 4);
  const uint32_t sign = b >> 16 & 0x8000, size = b & 0x7fffffff;
  if (size > 0x7f800000) return static_cast<uint16_t>(sign | 0x7e00);  // not a number
  if (size >= 0x477ff000) return static_cast<uint16_t>(sign | 0x7c00);
  if (size < 0x38800000) {  // below 2^-14: a multiple of 2^-24; adding 1/2 makes the unit of the last place 2^-24
    float whole;
    memcpy(&whole, &size, 4);
    whole += 0.5f;
    memcpy(&b, &whole, 4);
    return static_cast<uint16_t>(sign | (b - 0x3f000000));
  }
  return static_cast<uint16_t>(sign | ((size - 0x38000000 + 0xfff + (size >> 13 & 1)) >> 13));
#endif
}

/** Sixteen halves as f32. */
template <bool BF16>
TS_INLINE V16 widen(const uint16_t* p) {
#if defined(__AVX512F__)
  const __m256i raw = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  if constexpr (BF16) return {{(vf)_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(raw), 16))}};
  else return {{(vf)_mm512_cvtph_ps(raw)}};
#elif defined(__AVX2__)
  return parts<V16>([&](int i) TS_LAMBDA {
    const __m128i raw = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 8 * i));
    if constexpr (BF16) return (vf)_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(raw), 16));
    else return (vf)_mm256_cvtph_ps(raw);
  });
#else
  float values[16];
  for (int i = 0; i < 16; i++) {
    if constexpr (BF16) { const uint32_t bits = static_cast<uint32_t>(p[i]) << 16; memcpy(values + i, &bits, 4); }
    else values[i] = halfToFloat(p[i]);
  }
  return load(values);
#endif
}

}  // namespace ts::ISA
