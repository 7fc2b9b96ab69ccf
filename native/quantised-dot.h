// Sixteen rows of quantised weights against a few tokens of 8-bit activations (layout: few-bits.h).
// Integer products by what the machine has: vpdpbusd (AVX-512 VNNI), maddubs (AVX-512, AVX2), plain loops elsewhere. All
// give the same integers, and the f32 steps around them are the same, so the results are the same bits:
//   a block adds fma(d s, Σ w q, y), then fma(m, s Σ q, y) where the type has a minimum; q6k its halves one after the other.
//   mx4 looks its numbers up, 12 too large so that none has a sign, and takes 12 Σ q away.
#pragma once
#include "few-bits.h"
#include "processor.h"
#include "rows.h"

namespace ts::ISA {

/** Rows of 8-bit activations with their blocks' scales s, sums Σ q, those of the two halves of a block, and s Σ q. */
struct Activations {
  int8_t* quants;
  float *scales, *scaledSums;
  int32_t *sums, *halves;
  Activations from(int64_t t, int64_t K) const {
    const int64_t b = t * (K / 32);
    return {quants + t * K, scales + b, scaledSums + b, sums + b, halves + 2 * b};
  }
};

/** Tokens that one pass over a panel serves at most. */
constexpr int DOT_TOKENS = W == 16 ? 8 : W == 8 ? 4 : 1;

using PanelDot = void (*)(int tokens, int64_t blocks, int64_t K, const uint8_t* panel, const Activations& x, V16* sums);

namespace {

/** Asks for a block's share of the stream of panels 16 KiB early, into the second cache: the first has too few open
 *  requests to keep memory busy (14 against 28 GB/s on a Sapphire Rapids core). */
template <int BYTES>
TS_INLINE void fetchAhead(const uint8_t* panel, int64_t b) {
  constexpr int DISTANCE = 16384;
  const char* at = reinterpret_cast<const char*>(panel) + b * BYTES + DISTANCE;
  for (int i = 0; i < BYTES; i += 64) __builtin_prefetch(at + i, 0, 2);
}

/** Of a block with its share of the scales. */
template <Few TYPE>
constexpr int STREAM = blockBytes(TYPE) + static_cast<int>(scaleBytes(TYPE, 256) / 8);

#if defined(__AVX512F__)

TS_INLINE __m512i four(const int8_t* q) { int32_t bytes; memcpy(&bytes, q, 4); return _mm512_set1_epi32(bytes); }

struct Vnni {
  __attribute__((target("avx512vnni"), always_inline)) static inline __m512i dot(__m512i sum, __m512i w, const int8_t* q) {
    return _mm512_dpbusd_epi32(sum, w, four(q));
  }
};
struct Madd {
  /** For up to six bits: 255 · 127 · 2 would not fit 16 bits. */
  static TS_INLINE __m512i dot(__m512i sum, __m512i w, const int8_t* q) {
    return _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(w, four(q)), _mm512_set1_epi16(1)));
  }
};

/** A block's quants: k = 4g … 4g + 3 of all rows in group g. */
template <Few TYPE>
TS_INLINE void groupsOf(const uint8_t* w, __m512i* group) {
  const auto words = [&](int at) TS_LAMBDA { return _mm512_loadu_si512(w + at); };
  if constexpr (TYPE == Few::Q8) {
    for (int g = 0; g < 8; g++) group[g] = words(64 * g);
    return;
  }
  const __m512i low = _mm512_set1_epi8(15);
  constexpr int HIGH = highBits(TYPE);
  for (int g = 0; g < 4; g++) {
    const __m512i raw = words(64 * g);
    group[g] = _mm512_and_si512(raw, low);
    group[g + 4] = _mm512_and_si512(_mm512_srli_epi16(raw, 4), low);
  }
  if constexpr (TYPE == Few::MX4) {
    const __m512i table = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(FP4_ABOVE)));
    for (int g = 0; g < 8; g++) group[g] = _mm512_shuffle_epi8(table, group[g]);
  }
  if constexpr (HIGH > 0) {
    const __m512i mask = _mm512_set1_epi8((1 << HIGH) - 1);
    for (int g = 0; g < 8; g++) {
      const int shift = HIGH == 1 ? g : 2 * (g % 4);
      const __m512i bits = _mm512_srl_epi32(words(HIGH == 1 ? 256 : 256 + g / 4 * 64), _mm_cvtsi32_si128(shift));
      group[g] = _mm512_or_si512(group[g], _mm512_slli_epi32(_mm512_and_si512(bits, mask), 4));
    }
  }
}

#define TS_DOT_BODY(TOKENS, TYPE, DOT)                                                                                   \
  V16 acc[TOKENS];                                                                                                       \
  for (int t = 0; t < TOKENS; t++) acc[t] = zero();                                                                      \
  const uint8_t* scales = panel + blocks * blockBytes(TYPE);                                                             \
  for (int64_t b = 0; b < blocks; b++) {                                                                                 \
    fetchAhead<STREAM<TYPE>>(panel, b);                                                                                  \
    __m512i group[8];                                                                                                    \
    groupsOf<TYPE>(panel + b * blockBytes(TYPE), group);                                                                 \
    const Scales s = scalesOf<TYPE>(scales, b, 0);                                                                       \
    for (int t = 0; t < TOKENS; t++) {                                                                                   \
      const int8_t* q = x.quants + t * K + b * 32;                                                                       \
      const int64_t at = t * blocks + b;                                                                                 \
      __m512i first = _mm512_setzero_si512(), second = _mm512_setzero_si512();                                           \
      if (TYPE == Few::Q8) first = _mm512_set1_epi32(-128 * x.sums[at]);                                                 \
      if (TYPE == Few::MX4) first = _mm512_set1_epi32(-12 * x.sums[at]);                                                 \
      if (TYPE == Few::Q6K) first = _mm512_set1_epi32(-32 * x.halves[2 * at]), second = _mm512_set1_epi32(-32 * x.halves[2 * at + 1]); \
      for (int g = 0; g < 4; g++) { first = DOT(first, group[g], q + 4 * g); second = DOT(second, group[g + 4], q + 16 + 4 * g); } \
      const vf scale = vset(x.scales[at]);                                                                               \
      if (TYPE == Few::Q6K) {                                                                                            \
        acc[t].v[0] = vfma(s.first * scale, (vf)_mm512_cvtepi32_ps(first), acc[t].v[0]);                                 \
        acc[t].v[0] = vfma(s.second * scale, (vf)_mm512_cvtepi32_ps(second), acc[t].v[0]);                               \
      } else {                                                                                                           \
        acc[t].v[0] = vfma(s.first * scale, (vf)_mm512_cvtepi32_ps(_mm512_add_epi32(first, second)), acc[t].v[0]);       \
        if (TYPE != Few::Q8 && TYPE != Few::MX4) acc[t].v[0] = vfma(s.second, vset(x.scaledSums[at]), acc[t].v[0]);       \
      }                                                                                                                  \
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

template <int TOKENS, Few TYPE>
__attribute__((target("avx512vnni"))) void dotVnni(int, int64_t blocks, int64_t K, const uint8_t* panel, const Activations& x, V16* sums) {
  TS_DOT_BODY(TOKENS, TYPE, Vnni::dot)
}
template <int TOKENS, Few TYPE>
void dotMadd(int, int64_t blocks, int64_t K, const uint8_t* panel, const Activations& x, V16* sums) {
  if constexpr (TYPE == Few::Q8) { TS_DOT_BODY(TOKENS, TYPE, dotWide) } else { TS_DOT_BODY(TOKENS, TYPE, Madd::dot) }
}

template <Few TYPE>
void dotPanel(int tokens, int64_t blocks, int64_t K, const uint8_t* panel, const Activations& x, V16* sums) {
  static const bool vnni = askProcessor().vnni;
  constexpr PanelDot fast[] = {dotVnni<1, TYPE>, dotVnni<2, TYPE>, dotVnni<3, TYPE>, dotVnni<4, TYPE>, dotVnni<5, TYPE>, dotVnni<6, TYPE>, dotVnni<7, TYPE>, dotVnni<8, TYPE>};
  constexpr PanelDot plain[] = {dotMadd<1, TYPE>, dotMadd<2, TYPE>, dotMadd<3, TYPE>, dotMadd<4, TYPE>, dotMadd<5, TYPE>, dotMadd<6, TYPE>, dotMadd<7, TYPE>, dotMadd<8, TYPE>};
  (vnni ? fast : plain)[tokens - 1](tokens, blocks, K, panel, x, sums);
}

#elif defined(__AVX2__)

TS_INLINE __m256i four(const int8_t* q) { int32_t bytes; memcpy(&bytes, q, 4); return _mm256_set1_epi32(bytes); }

/** Sixteen rows as two halves of eight, all of K, for up to four tokens: what is broadcast of a token serves both halves, and
 *  a block's sums, one register for each token and half, stay in registers. */
template <int TOKENS, Few TYPE>
void dotTokens(int, int64_t blocks, int64_t K, const uint8_t* panel, const Activations& x, V16* sums) {
  constexpr int HIGH = highBits(TYPE);
  constexpr bool Q8 = TYPE == Few::Q8, Q6K = TYPE == Few::Q6K, MX4 = TYPE == Few::MX4, NARROW = HIGH == 0 && !Q8 && !MX4;
  const uint8_t* scales = panel + blocks * blockBytes(TYPE);
  const __m256i low = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1), mask = _mm256_set1_epi8((1 << HIGH) - 1);
  vf acc[TOKENS][2];
  for (int t = 0; t < TOKENS; t++) acc[t][0] = acc[t][1] = vset(0);
  for (int64_t b = 0; b < blocks; b++) {
    fetchAhead<STREAM<TYPE>>(panel, b);
    const uint8_t* w = panel + b * blockBytes(TYPE);
    const auto words = [&](int at, int h) TS_LAMBDA { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w + at + 32 * h)); };
    // Sums of products: in 16 bits (eight of 15 · 127 · 2 fit together) or 32; q6k has one for each half of the block.
    __m256i total[TOKENS][2], second[TOKENS][2];
    for (int t = 0; t < TOKENS; t++)
      for (int h = 0; h < 2; h++) total[t][h] = second[t][h] = _mm256_setzero_si256();
#pragma GCC unroll 1  // unrolled, sums would leave their registers
    for (int g = 0; g < 4; g++)
      for (int part = 0; part < 2; part++) {  // k = 4g … and 16 + 4g …: the low and the high halves of the bytes
        __m256i w8[2], size[2];
        for (int h = 0; h < 2; h++) {
          const __m256i raw = words(64 * g + (Q8 ? 256 * part : 0), h);
          if constexpr (Q8) {  // |w| · (x with w's sign): 128 · 127 · 2 fits 16 bits
            w8[h] = _mm256_xor_si256(raw, _mm256_set1_epi8(static_cast<char>(0x80)));
            size[h] = _mm256_abs_epi8(w8[h]);
            continue;
          }
          w8[h] = _mm256_and_si256(part ? _mm256_srli_epi16(raw, 4) : raw, low);
          if constexpr (MX4) w8[h] = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(FP4_ABOVE))), w8[h]);
          if constexpr (HIGH > 0) {
            const __m256i high = words(HIGH == 2 && part ? 320 : 256, h);
            w8[h] = _mm256_or_si256(w8[h], _mm256_slli_epi32(_mm256_and_si256(_mm256_srl_epi32(high, _mm_cvtsi32_si128(HIGH == 1 ? g + 4 * part : 2 * g)), mask), 4));
          }
        }
        for (int t = 0; t < TOKENS; t++) {
          const __m256i q = four(x.quants + t * K + b * 32 + 16 * part + 4 * g);
          for (int h = 0; h < 2; h++) {
            const __m256i product = Q8 ? _mm256_maddubs_epi16(size[h], _mm256_sign_epi8(q, w8[h])) : _mm256_maddubs_epi16(w8[h], q);
            __m256i& sum = Q6K && part ? second[t][h] : total[t][h];
            if constexpr (NARROW) sum = _mm256_add_epi16(sum, product);
            else sum = _mm256_add_epi32(sum, _mm256_madd_epi16(product, ones));
          }
        }
      }
    for (int h = 0; h < 2; h++) {
      const Scales s = scalesOf<TYPE>(scales, b, h);
      for (int t = 0; t < TOKENS; t++) {
        const int64_t at = t * blocks + b;
        const vf scale = vset(x.scales[at]);
        __m256i first = NARROW ? _mm256_madd_epi16(total[t][h], ones) : total[t][h];
        if constexpr (Q6K) first = _mm256_sub_epi32(first, _mm256_set1_epi32(32 * x.halves[2 * at]));
        if constexpr (MX4) first = _mm256_sub_epi32(first, _mm256_set1_epi32(12 * x.sums[at]));
        acc[t][h] = vfma(s.first * scale, (vf)_mm256_cvtepi32_ps(first), acc[t][h]);
        if constexpr (Q6K) acc[t][h] = vfma(s.second * scale, (vf)_mm256_cvtepi32_ps(_mm256_sub_epi32(second[t][h], _mm256_set1_epi32(32 * x.halves[2 * at + 1]))), acc[t][h]);
        else if constexpr (!Q8 && !MX4) acc[t][h] = vfma(s.second, vset(x.scaledSums[at]), acc[t][h]);
      }
    }
  }
  for (int t = 0; t < TOKENS; t++) { sums[t].v[0] = acc[t][0]; sums[t].v[1] = acc[t][1]; }
}
template <Few TYPE>
void dotPanel(int tokens, int64_t blocks, int64_t K, const uint8_t* panel, const Activations& x, V16* sums) {
  constexpr PanelDot table[] = {dotTokens<1, TYPE>, dotTokens<2, TYPE>, dotTokens<3, TYPE>, dotTokens<4, TYPE>};
  table[tokens - 1](tokens, blocks, K, panel, x, sums);
}

#else

template <Few TYPE>
void dotPanel(int, int64_t blocks, int64_t, const uint8_t* panel, const Activations& x, V16* sums) {
  float acc[16] = {};
  const uint8_t* scales = panel + blocks * blockBytes(TYPE);
  for (int64_t b = 0; b < blocks; b++) {
    const int8_t* q = x.quants + b * 32;
    const uint8_t* w = panel + b * blockBytes(TYPE);
    int32_t total[2][16] = {};
    for (int i = 0; i < 32; i++)
      for (int r = 0; r < 16; r++) {
        const int h = i / 16, g = i % 16 / 4, at = 4 * r + i % 4;
        int value;
        if constexpr (TYPE == Few::Q8) value = w[256 * h + 64 * g + at] - 128;
        else {
          value = w[64 * g + at] >> (4 * h) & 15;
          if constexpr (highBits(TYPE) == 1) value |= (w[256 + at] >> (4 * h + g) & 1) << 4;
          if constexpr (highBits(TYPE) == 2) value = (value | (w[256 + 64 * h + at] >> (2 * g) & 3) << 4) - 32;
          if constexpr (TYPE == Few::MX4) value = FP4[value];
        }
        total[h][r] += value * q[i];
      }
    for (int r = 0; r < 16; r++) {
      const Scales s = scalesOf<TYPE>(scales, b, r / W);
      const float first = s.first[r % W], second = s.second[r % W], scale = x.scales[b];
      if constexpr (TYPE == Few::Q6K) {
        acc[r] = fma1(first * scale, static_cast<float>(total[0][r]), acc[r]);
        acc[r] = fma1(second * scale, static_cast<float>(total[1][r]), acc[r]);
      } else {
        acc[r] = fma1(first * scale, static_cast<float>(total[0][r] + total[1][r]), acc[r]);
        if constexpr (TYPE != Few::Q8 && TYPE != Few::MX4) acc[r] = fma1(second, x.scaledSums[b], acc[r]);
      }
    }
  }
  sums[0] = load(acc);
}

#endif

inline PanelDot panelDot(Few type) {
  switch (type) {
    case Few::Q8: return dotPanel<Few::Q8>;
    case Few::Q5: return dotPanel<Few::Q5>;
    case Few::Q4K: return dotPanel<Few::Q4K>;
    case Few::Q5K: return dotPanel<Few::Q5K>;
    case Few::Q6K: return dotPanel<Few::Q6K>;
    case Few::MX4: return dotPanel<Few::MX4>;
    default: return dotPanel<Few::Q4>;
  }
}

}  // namespace
}  // namespace ts::ISA
