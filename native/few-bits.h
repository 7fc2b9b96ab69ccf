// How weights in few bits lie (src/engine/panels.ts lays them out): panels of 16 rows, so that a vector's lanes are rows.
//   16 bits: [K][16] halves.
//   Others: blocks of 32 along K; a panel is the quants of all blocks, then all scales, padded to 64 bytes.
//     low four bits [4 g][16 rows][4 j] bytes: k = 4g + j in the low half, k = 16 + 4g + j in the high half
//     q5, q5k: then a fifth bit [16 rows][4 j] bytes: bit g of k = 4g + j, bit 4 + g of k = 16 + 4g + j
//     q6k:     then two more bits [2][16 rows][4 j] bytes: bits 2g, 2g + 1 of k = 16 h + 4g + j
//     q8:      [8 g][16 rows][4 j] bytes, w + 128 for k = 4g + j
//     scales q4, q5 [d 16, m 16] f16, q8 [d 16] f16, mx4 [e 16] bytes, of each block; of eight blocks:
//     q4k, q5k [d 16, dmin 16] f16, [8][s 16, m 16] bytes without a sign; q6k [d 16] f16, [8][2][s 16] bytes with a sign
//   Value: q4, q5: d q + m; q4k, q5k: (d s) q − dmin m; q6k: (d s)(q − 32); q8: d (q − 128);
//   mx4: 2^(e − 128) times twice the number that the four bits of FP4 (E2M1) mean. All products are exact in f32.
#pragma once
#include "half.h"

namespace ts::ISA {

/** In the order of src/engine/ops/linear-compressed.ts. */
enum class Few { Q4, Q8, F16, BF16, Q5, Q4K, Q5K, Q6K, MX4 };

constexpr bool isHalf(Few type) { return type == Few::F16 || type == Few::BF16; }
/** Bits of a quant above the low four. */
constexpr int highBits(Few type) { return type == Few::Q5 || type == Few::Q5K ? 1 : type == Few::Q6K ? 2 : 0; }
constexpr int blockBytes(Few type) { return type == Few::Q8 ? 512 : 256 + 64 * highBits(type); }
constexpr int64_t scaleBytes(Few type, int64_t K) {
  return type == Few::Q8 ? K : type == Few::Q4K || type == Few::Q5K ? K / 256 * 320 : type == Few::Q6K ? K / 256 * 288 : type == Few::MX4 ? K / 2 : 2 * K;
}
constexpr int64_t panelBytes(Few type, int64_t K) {
  return isHalf(type) ? 32 * K : (K / 32 * blockBytes(type) + scaleBytes(type, K) + 63) / 64 * 64;
}

namespace {

/** Sixteen f16, and sixteen bytes, as f32: the part of them that a vector holds. */
TS_INLINE vf halfPart(const uint8_t* p, int part) { return widen<false>(reinterpret_cast<const uint16_t*>(p)).v[part]; }

template <bool SIGNED>
TS_INLINE vf bytePart(const uint8_t* p, int part) {
#if defined(__AVX512F__)
  const __m128i raw = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 16 * part));
  return (vf)_mm512_cvtepi32_ps(SIGNED ? _mm512_cvtepi8_epi32(raw) : _mm512_cvtepu8_epi32(raw));
#elif defined(__AVX2__)
  const __m128i raw = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p + 8 * part));
  return (vf)_mm256_cvtepi32_ps(SIGNED ? _mm256_cvtepi8_epi32(raw) : _mm256_cvtepu8_epi32(raw));
#else
  vf values{};
  for (int i = 0; i < W; i++) values[i] = SIGNED ? static_cast<float>(static_cast<int8_t>(p[W * part + i])) : static_cast<float>(p[W * part + i]);
  return values;
#endif
}

/** Twice the numbers of FP4, with one zero, and 12 above that. */
constexpr int8_t FP4[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
constexpr int8_t FP4_ABOVE[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};

/** 2^(e − 128) of sixteen bytes e: the part of them that a vector holds. */
TS_INLINE vf powerPart(const uint8_t* p, int part) {
  int32_t bits[W];
  for (int i = 0; i < W; i++) { const int e = p[W * part + i]; bits[i] = e ? e << 23 : 1 << 22; }
  return vload(reinterpret_cast<const float*>(bits)) * vset(0.5f);
}

/** What a block's quants are multiplied with, and what is added for each; q6k: the factors of the first and the second sixteen. */
struct Scales { vf first, second; };

template <Few TYPE>
TS_INLINE Scales scalesOf(const uint8_t* scales, int64_t b, int part) {
  if constexpr (TYPE == Few::Q8) return {halfPart(scales + 32 * b, part), vf{}};
  else if constexpr (TYPE == Few::MX4) return {powerPart(scales + 16 * b, part), vf{}};
  else if constexpr (TYPE == Few::Q4 || TYPE == Few::Q5) return {halfPart(scales + 64 * b, part), halfPart(scales + 64 * b + 32, part)};
  else if constexpr (TYPE == Few::Q6K) {
    const uint8_t *eight = scales + b / 8 * 288, *s = eight + 32 + b % 8 * 32;
    const vf d = halfPart(eight, part);
    return {d * bytePart<true>(s, part), d * bytePart<true>(s + 16, part)};
  } else {
    const uint8_t *eight = scales + b / 8 * 320, *s = eight + 64 + b % 8 * 32;
    return {halfPart(eight, part) * bytePart<false>(s, part), -(halfPart(eight + 32, part) * bytePart<false>(s + 16, part))};
  }
}

/** to[i][0..15] = the values of k = 16 half + i in the sixteen rows of a panel, exactly; 0 behind the last k. */
template <Few TYPE>
TS_INLINE void dequantiseTile(const uint8_t* panel, int64_t K, int64_t half, float* to) {
  if constexpr (isHalf(TYPE)) {
    const uint16_t* from = reinterpret_cast<const uint16_t*>(panel) + 16 * 16 * half;
    for (int i = 0; i < 16; i++) store(to + 16 * i, 16 * half + i < K ? widen<TYPE == Few::BF16>(from + 16 * i) : zero());
  } else {
    const int64_t b = half / 2;
    const int odd = static_cast<int>(half % 2);
    const uint8_t *block = panel + b * blockBytes(TYPE), *scales = panel + K / 32 * blockBytes(TYPE);
    const V16 first = parts<V16>([&](int p) TS_LAMBDA { return scalesOf<TYPE>(scales, b, p).first; });
    const V16 second = parts<V16>([&](int p) TS_LAMBDA { return scalesOf<TYPE>(scales, b, p).second; });
    const auto words = [&](int at) TS_LAMBDA { return loadInt(reinterpret_cast<const int32_t*>(block + at)); };
    const I16 high = highBits(TYPE) == 1 ? words(256) : highBits(TYPE) == 2 ? words(256 + 64 * odd) : broadcastInt(0);
    for (int g = 0; g < 4; g++) {
      const I16 four = words(64 * g + (TYPE == Few::Q8 ? 256 * odd : 0));
      for (int j = 0; j < 4; j++) {
        if constexpr (TYPE == Few::Q8) {
          store(to + 16 * (4 * g + j), first * toFloat(((four >> (8 * j)) & broadcastInt(255)) - broadcastInt(128)));
        } else {
          I16 q = (four >> (8 * j + 4 * odd)) & broadcastInt(15);
          if constexpr (highBits(TYPE) == 1) q = q | (((high >> (8 * j + 4 * odd + g)) & broadcastInt(1)) << 4);
          if constexpr (highBits(TYPE) == 2) q = q | (((high >> (8 * j + 2 * g)) & broadcastInt(3)) << 4);
          if constexpr (TYPE == Few::MX4) {
            int32_t codes[16];
            storeInt(codes, q);
            for (int i = 0; i < 16; i++) codes[i] = FP4[codes[i]];
            store(to + 16 * (4 * g + j), first * toFloat(loadInt(codes)));
          } else if constexpr (TYPE == Few::Q6K) store(to + 16 * (4 * g + j), (odd ? second : first) * toFloat(q - broadcastInt(32)));
          else store(to + 16 * (4 * g + j), fma(first, toFloat(q), second));
        }
      }
    }
  }
}

}  // namespace

/** The tile of any type. */
inline void dequantiseTile(Few type, const uint8_t* panel, int64_t K, int64_t half, float* to) {
  switch (type) {
    case Few::Q4: return dequantiseTile<Few::Q4>(panel, K, half, to);
    case Few::Q8: return dequantiseTile<Few::Q8>(panel, K, half, to);
    case Few::F16: return dequantiseTile<Few::F16>(panel, K, half, to);
    case Few::BF16: return dequantiseTile<Few::BF16>(panel, K, half, to);
    case Few::Q5: return dequantiseTile<Few::Q5>(panel, K, half, to);
    case Few::Q4K: return dequantiseTile<Few::Q4K>(panel, K, half, to);
    case Few::Q5K: return dequantiseTile<Few::Q5K>(panel, K, half, to);
    case Few::Q6K: return dequantiseTile<Few::Q6K>(panel, K, half, to);
    case Few::MX4: return dequantiseTile<Few::MX4>(panel, K, half, to);
  }
}

}  // namespace ts::ISA
