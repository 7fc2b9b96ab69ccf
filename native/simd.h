// SIMD for kernels: `vf`, the machine's own float vector, and `V16`, sixteen virtual lanes made of 16 / W of them.
// Exactness: everything computed through V16 has the same bits on AVX2, AVX-512 and NEON, because lanes never mix except
// in sum() and max(), which walk one fixed tree (i + i+8, then i+4, i+2, i+1), and because fma() is always the fused
// instruction. Baseline (no FMA) multiplies and adds with two roundings: fast mode only, never the exact promise.
// Everything lives in ts::ISA, so that the same header compiled for two instruction sets never shares a symbol.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__AVX2__) || defined(__SSE2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#define TS_INLINE inline __attribute__((always_inline))
#define TS_LAMBDA __attribute__((always_inline))

namespace ts::ISA {

// ---- native vectors ------------------------------------------------------------------------------------------------

#if defined(__AVX512F__)
constexpr int W = 16;
#elif defined(__AVX2__)
constexpr int W = 8;
#else
constexpr int W = 4;
#endif

using vf = float __attribute__((vector_size(W * 4)));
using vi = int32_t __attribute__((vector_size(W * 4)));
// Attributes of the name, not of the type: clang forgets aligned(4) beside a vector_size that is an expression.
using vf_unaligned __attribute__((aligned(4), may_alias)) = vf;
using vi_unaligned __attribute__((aligned(4), may_alias)) = vi;
static_assert(alignof(vf_unaligned) == 4 && alignof(vi_unaligned) == 4, "loads need no alignment");

TS_INLINE vf vload(const float* p) { return *reinterpret_cast<const vf_unaligned*>(p); }
TS_INLINE void vstore(float* p, vf v) { *reinterpret_cast<vf_unaligned*>(p) = v; }

#if defined(__AVX512F__)
TS_INLINE vf vset(float x) { return _mm512_set1_ps(x); }
TS_INLINE vf vfma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
TS_INLINE vf vmin(vf a, vf b) { return _mm512_min_ps(a, b); }
TS_INLINE vf vmax(vf a, vf b) { return _mm512_max_ps(a, b); }
TS_INLINE vf vsqrt(vf a) { return _mm512_sqrt_ps(a); }
#elif defined(__AVX2__)
TS_INLINE vf vset(float x) { return _mm256_set1_ps(x); }
TS_INLINE vf vfma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
TS_INLINE vf vmin(vf a, vf b) { return _mm256_min_ps(a, b); }
TS_INLINE vf vmax(vf a, vf b) { return _mm256_max_ps(a, b); }
TS_INLINE vf vsqrt(vf a) { return _mm256_sqrt_ps(a); }
#else
TS_INLINE vf vset(float x) { return vf{x, x, x, x}; }
TS_INLINE vf vmin(vf a, vf b) { return a < b ? a : b; }  // as x86 minps: the second operand where either is NaN
TS_INLINE vf vmax(vf a, vf b) { return a > b ? a : b; }
#if defined(__ARM_NEON)
TS_INLINE vf vfma(vf a, vf b, vf c) { return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b); }
TS_INLINE vf vsqrt(vf a) { return (vf)vsqrtq_f32((float32x4_t)a); }
#else
TS_INLINE vf vfma(vf a, vf b, vf c) { return a * b + c; }
TS_INLINE vf vsqrt(vf a) { return vf{std::sqrt(a[0]), std::sqrt(a[1]), std::sqrt(a[2]), std::sqrt(a[3])}; }
#endif
#endif

/** The scalar counterpart of vfma. */
TS_INLINE float fma1(float a, float b, float c) {
#if defined(__FMA__) || defined(__ARM_NEON)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

/** The first n (0..W) floats, zeros behind them; reads nothing else. */
TS_INLINE vf vload(const float* p, int64_t n) {
#if defined(__AVX512F__)
  return _mm512_maskz_loadu_ps(n >= 16 ? 0xffff : n <= 0 ? 0 : (1u << n) - 1, p);
#elif defined(__AVX2__)
  const vi lane = {0, 1, 2, 3, 4, 5, 6, 7};
  return _mm256_maskload_ps(p, (__m256i)(lane < static_cast<int32_t>(n > 8 ? 8 : n)));
#else
  vf v{};
  for (int i = 0; i < W && i < n; i++) v[i] = p[i];
  return v;
#endif
}

/** Writes the first n (0..W) lanes and touches nothing else. */
TS_INLINE void vstore(float* p, vf v, int64_t n) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, n >= 16 ? 0xffff : n <= 0 ? 0 : (1u << n) - 1, v);
#elif defined(__AVX2__)
  const vi lane = {0, 1, 2, 3, 4, 5, 6, 7};
  _mm256_maskstore_ps(p, (__m256i)(lane < static_cast<int32_t>(n > 8 ? 8 : n)), v);
#else
  for (int i = 0; i < W && i < n; i++) p[i] = v[i];
#endif
}

// ---- sixteen virtual lanes -----------------------------------------------------------------------------------------

constexpr int PARTS = 16 / W;

struct V16 { vf v[PARTS]; };
struct I16 { vi v[PARTS]; };
#if defined(__AVX512F__)
struct M16 { __mmask16 m; };
#else
struct M16 { vi v[PARTS]; };
#endif

/** {f(0), f(1), …}: written out, because compilers keep such a struct in registers only without a loop. */
template <class T, class F>
TS_INLINE T parts(F f) {
  if constexpr (PARTS == 1) return T{{f(0)}};
  else if constexpr (PARTS == 2) return T{{f(0), f(1)}};
  else return T{{f(0), f(1), f(2), f(3)}};
}

TS_INLINE V16 broadcast(float x) { return parts<V16>([&](int) TS_LAMBDA { return vset(x); }); }
TS_INLINE V16 zero() { return broadcast(0.0f); }
TS_INLINE V16 load(const float* p) { return parts<V16>([&](int i) TS_LAMBDA { return vload(p + i * W); }); }
/** The first n (0..16) floats, zeros behind them; reads nothing else. */
TS_INLINE V16 load(const float* p, int64_t n) { return parts<V16>([&](int i) TS_LAMBDA { return vload(p + i * W, n - i * W); }); }
TS_INLINE void store(float* p, V16 x) { for (int i = 0; i < PARTS; i++) vstore(p + i * W, x.v[i]); }
TS_INLINE void store(float* p, V16 x, int64_t n) { for (int i = 0; i < PARTS; i++) vstore(p + i * W, x.v[i], n - i * W); }

TS_INLINE V16 operator+(V16 a, V16 b) { return parts<V16>([&](int i) TS_LAMBDA { return a.v[i] + b.v[i]; }); }
TS_INLINE V16 operator-(V16 a, V16 b) { return parts<V16>([&](int i) TS_LAMBDA { return a.v[i] - b.v[i]; }); }
TS_INLINE V16 operator*(V16 a, V16 b) { return parts<V16>([&](int i) TS_LAMBDA { return a.v[i] * b.v[i]; }); }
TS_INLINE V16 operator/(V16 a, V16 b) { return parts<V16>([&](int i) TS_LAMBDA { return a.v[i] / b.v[i]; }); }
TS_INLINE V16 operator-(V16 a) { return parts<V16>([&](int i) TS_LAMBDA { return -a.v[i]; }); }
TS_INLINE V16& operator+=(V16& a, V16 b) { return a = a + b; }
TS_INLINE V16& operator*=(V16& a, V16 b) { return a = a * b; }
/** a · b + c with one rounding. */
TS_INLINE V16 fma(V16 a, V16 b, V16 c) { return parts<V16>([&](int i) TS_LAMBDA { return vfma(a.v[i], b.v[i], c.v[i]); }); }
/** a < b ? a : b, so b where either is NaN. */
TS_INLINE V16 min(V16 a, V16 b) { return parts<V16>([&](int i) TS_LAMBDA { return vmin(a.v[i], b.v[i]); }); }
TS_INLINE V16 max(V16 a, V16 b) { return parts<V16>([&](int i) TS_LAMBDA { return vmax(a.v[i], b.v[i]); }); }
TS_INLINE V16 sqrt(V16 a) { return parts<V16>([&](int i) TS_LAMBDA { return vsqrt(a.v[i]); }); }

// ---- integers and bits ---------------------------------------------------------------------------------------------

TS_INLINE I16 broadcastInt(int32_t x) { return parts<I16>([&](int) TS_LAMBDA { return vi{} + x; }); }
TS_INLINE I16 loadInt(const int32_t* p) {
  return parts<I16>([&](int i) TS_LAMBDA { return (vi)*reinterpret_cast<const vi_unaligned*>(p + i * W); });
}
TS_INLINE void storeInt(int32_t* p, I16 x) { for (int i = 0; i < PARTS; i++) *reinterpret_cast<vi_unaligned*>(p + i * W) = x.v[i]; }
TS_INLINE I16 bits(V16 x) { return parts<I16>([&](int i) TS_LAMBDA { return (vi)x.v[i]; }); }
TS_INLINE V16 fromBits(I16 x) { return parts<V16>([&](int i) TS_LAMBDA { return (vf)x.v[i]; }); }
/** Towards zero; the values must fit. */
TS_INLINE I16 toInt(V16 x) { return parts<I16>([&](int i) TS_LAMBDA { return __builtin_convertvector(x.v[i], vi); }); }
TS_INLINE V16 toFloat(I16 x) { return parts<V16>([&](int i) TS_LAMBDA { return __builtin_convertvector(x.v[i], vf); }); }
TS_INLINE I16 operator+(I16 a, I16 b) { return parts<I16>([&](int i) TS_LAMBDA { return a.v[i] + b.v[i]; }); }
TS_INLINE I16 operator-(I16 a, I16 b) { return parts<I16>([&](int i) TS_LAMBDA { return a.v[i] - b.v[i]; }); }
TS_INLINE I16 operator&(I16 a, I16 b) { return parts<I16>([&](int i) TS_LAMBDA { return a.v[i] & b.v[i]; }); }
TS_INLINE I16 operator|(I16 a, I16 b) { return parts<I16>([&](int i) TS_LAMBDA { return a.v[i] | b.v[i]; }); }
TS_INLINE I16 operator^(I16 a, I16 b) { return parts<I16>([&](int i) TS_LAMBDA { return a.v[i] ^ b.v[i]; }); }
TS_INLINE I16 operator<<(I16 a, int n) { return parts<I16>([&](int i) TS_LAMBDA { return a.v[i] << n; }); }
TS_INLINE I16 operator>>(I16 a, int n) { return parts<I16>([&](int i) TS_LAMBDA { return a.v[i] >> n; }); }
TS_INLINE V16 abs(V16 x) { return fromBits(bits(x) & broadcastInt(0x7fffffff)); }
/** |magnitude| with the sign of `sign`. */
TS_INLINE V16 copySign(V16 magnitude, V16 sign) {
  return fromBits((bits(magnitude) & broadcastInt(0x7fffffff)) | (bits(sign) & broadcastInt(INT32_MIN)));
}

// ---- compare and select --------------------------------------------------------------------------------------------

#if defined(__AVX512F__)
TS_INLINE M16 operator<(V16 a, V16 b) { return {_mm512_cmp_ps_mask(a.v[0], b.v[0], _CMP_LT_OQ)}; }
TS_INLINE M16 operator<=(V16 a, V16 b) { return {_mm512_cmp_ps_mask(a.v[0], b.v[0], _CMP_LE_OQ)}; }
TS_INLINE M16 operator==(V16 a, V16 b) { return {_mm512_cmp_ps_mask(a.v[0], b.v[0], _CMP_EQ_OQ)}; }
TS_INLINE M16 operator==(I16 a, I16 b) { return {_mm512_cmpeq_epi32_mask((__m512i)a.v[0], (__m512i)b.v[0])}; }
TS_INLINE M16 operator<(I16 a, I16 b) { return {_mm512_cmplt_epi32_mask((__m512i)a.v[0], (__m512i)b.v[0])}; }
TS_INLINE M16 operator&(M16 a, M16 b) { return {static_cast<__mmask16>(a.m & b.m)}; }
TS_INLINE M16 operator|(M16 a, M16 b) { return {static_cast<__mmask16>(a.m | b.m)}; }
TS_INLINE M16 operator!(M16 a) { return {static_cast<__mmask16>(~a.m)}; }
TS_INLINE bool any(M16 a) { return a.m != 0; }
/** m ? a : b per lane. */
TS_INLINE V16 select(M16 m, V16 a, V16 b) { return {{_mm512_mask_blend_ps(m.m, b.v[0], a.v[0])}}; }
#else
TS_INLINE M16 operator<(V16 a, V16 b) { return parts<M16>([&](int i) TS_LAMBDA { return (vi)(a.v[i] < b.v[i]); }); }
TS_INLINE M16 operator<=(V16 a, V16 b) { return parts<M16>([&](int i) TS_LAMBDA { return (vi)(a.v[i] <= b.v[i]); }); }
TS_INLINE M16 operator==(V16 a, V16 b) { return parts<M16>([&](int i) TS_LAMBDA { return (vi)(a.v[i] == b.v[i]); }); }
TS_INLINE M16 operator==(I16 a, I16 b) { return parts<M16>([&](int i) TS_LAMBDA { return (vi)(a.v[i] == b.v[i]); }); }
TS_INLINE M16 operator<(I16 a, I16 b) { return parts<M16>([&](int i) TS_LAMBDA { return (vi)(a.v[i] < b.v[i]); }); }
TS_INLINE M16 operator&(M16 a, M16 b) { return parts<M16>([&](int i) TS_LAMBDA { return a.v[i] & b.v[i]; }); }
TS_INLINE M16 operator|(M16 a, M16 b) { return parts<M16>([&](int i) TS_LAMBDA { return a.v[i] | b.v[i]; }); }
TS_INLINE M16 operator!(M16 a) { return parts<M16>([&](int i) TS_LAMBDA { return ~a.v[i]; }); }
TS_INLINE bool any(M16 a) {
  vi all = a.v[0];
  for (int i = 1; i < PARTS; i++) all |= a.v[i];
  int32_t found = 0;
  for (int i = 0; i < W; i++) found |= all[i];
  return found != 0;
}
/** m ? a : b per lane. */
TS_INLINE V16 select(M16 m, V16 a, V16 b) {
  return parts<V16>([&](int i) TS_LAMBDA { return (vf)((m.v[i] & (vi)a.v[i]) | (~m.v[i] & (vi)b.v[i])); });
}
#endif
TS_INLINE M16 operator>(V16 a, V16 b) { return b < a; }
TS_INLINE M16 operator>=(V16 a, V16 b) { return b <= a; }

/** Lanes 0..n-1 (n may lie outside 0..16). */
TS_INLINE M16 firstLanes(int64_t n) {
  const int32_t count = n > 16 ? 16 : n < 0 ? 0 : static_cast<int32_t>(n);
  alignas(64) static const int32_t lane[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return loadInt(lane) < broadcastInt(count);
}

// ---- across lanes: one fixed tree ----------------------------------------------------------------------------------

using vf4 = float __attribute__((vector_size(16)));

template <class Op4>
TS_INLINE float tree4(vf4 x, Op4 op) {  // lanes i, i+2; then i, i+1
  const vf4 high = {x[2], x[3], x[2], x[3]};
  const vf4 two = op(x, high);
  const vf4 second = {two[1], two[1], two[1], two[1]};
  return op(two, second)[0];
}

/** op over lanes (i, i+8), (i, i+4), (i, i+2), (i, i+1). `op` must take vf4 and, on wide machines, half vectors. */
template <class Op>
TS_INLINE float tree16(V16 x, Op op) {
#if defined(__AVX512F__)
  const __m256 eight = op((__m256)_mm512_castps512_ps256(x.v[0]), (__m256)_mm512_extractf32x8_ps(x.v[0], 1));
  return tree4(op((vf4)_mm256_castps256_ps128(eight), (vf4)_mm256_extractf128_ps(eight, 1)), op);
#elif defined(__AVX2__)
  const __m256 eight = op((__m256)x.v[0], (__m256)x.v[1]);
  return tree4(op((vf4)_mm256_castps256_ps128(eight), (vf4)_mm256_extractf128_ps(eight, 1)), op);
#else
  return tree4(op(op(x.v[0], x.v[2]), op(x.v[1], x.v[3])), op);
#endif
}

TS_INLINE float sum(V16 x) { return tree16(x, [](auto a, auto b) TS_LAMBDA { return a + b; }); }
TS_INLINE float max(V16 x) { return tree16(x, [](auto a, auto b) TS_LAMBDA { return a > b ? a : b; }); }

}  // namespace ts::ISA
