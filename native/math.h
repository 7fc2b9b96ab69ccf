// Elementary functions on sixteen lanes, the same bits on every instruction set with FMA. Polynomials after Cephes
// (S. Moshier); range reduction with constants short enough that the first products are exact.
// Largest error measured against double precision (native/bench-math.cpp), in units in the last place (ulp):
//   exp 1.1 · log 0.8 · tanh 1.3 · sigmoid 2.3 · sin, cos 1.6 (up to 1e9, absolute error below 1e-7)
// Baseline (no FMA): the same but for sin and cos, whose absolute error grows to 2e-6 at 1e5.
#pragma once
#include "simd.h"

namespace ts::ISA {

/** Nearest integer (ties to even) as a float; |x| < 2^22. */
TS_INLINE V16 roundNear(V16 x) {
  const V16 magic = broadcast(12582912.0f);  // 1.5 · 2^23
  return (x + magic) - magic;
}

/** 2^n as a float for integral n in -126..127. */
TS_INLINE V16 power2(I16 n) { return fromBits((n + broadcastInt(127)) << 23); }

/** e^x. Results below the smallest normal number are 0, so that no denormals slow down what follows. */
TS_INLINE V16 exp(V16 x) {
  const V16 n = roundNear(min(max(x, broadcast(-88.0f)), broadcast(89.0f)) * broadcast(1.44269504f));
  V16 r = fma(n, broadcast(-0.693359375f), x);
  r = fma(n, broadcast(2.12194440e-4f), r);
  V16 p = broadcast(1.9875691500e-4f);
  p = fma(p, r, broadcast(1.3981999507e-3f));
  p = fma(p, r, broadcast(8.3334519073e-3f));
  p = fma(p, r, broadcast(4.1665795894e-2f));
  p = fma(p, r, broadcast(1.6666665459e-1f));
  p = fma(p, r, broadcast(5.0000001201e-1f));
  p = fma(p, r * r, r) + broadcast(1.0f);
  const I16 whole = toInt(n), half = whole >> 1;  // 2^128 is no float: scale twice
  V16 y = p * power2(half) * power2(whole - half);
  y = select(x < broadcast(-87.3365448f), zero(), y);
  y = select(x > broadcast(88.7228394f), broadcast(INFINITY), y);
  return select(x == x, y, x);
}

/** Natural logarithm; -inf at 0, NaN below. */
TS_INLINE V16 log(V16 x) {
  const M16 tiny = x < broadcast(1.17549435e-38f);
  const V16 scaled = select(tiny, x * broadcast(8388608.0f), x);
  // x = m · 2^e with m in [sqrt(1/2), sqrt(2)): taking sqrt(1/2) from the bits moves the cut between two powers there
  const I16 b = bits(scaled) - broadcastInt(0x3f3504f3);
  const V16 e = toFloat(b >> 23) - select(tiny, broadcast(23.0f), zero());
  const V16 m = fromBits((b & broadcastInt(0x007fffff)) + broadcastInt(0x3f3504f3)) - broadcast(1.0f);
  V16 p = broadcast(7.0376836292e-2f);
  p = fma(p, m, broadcast(-1.1514610310e-1f));
  p = fma(p, m, broadcast(1.1676998740e-1f));
  p = fma(p, m, broadcast(-1.2420140846e-1f));
  p = fma(p, m, broadcast(1.4249322787e-1f));
  p = fma(p, m, broadcast(-1.6668057665e-1f));
  p = fma(p, m, broadcast(2.0000714765e-1f));
  p = fma(p, m, broadcast(-2.4999993993e-1f));
  p = fma(p, m, broadcast(3.3333331174e-1f));
  const V16 square = m * m;
  V16 y = fma(e, broadcast(-2.12194440e-4f), p * m * square);
  y = fma(square, broadcast(-0.5f), y);
  y = fma(e, broadcast(0.693359375f), m + y);
  y = select(x == zero(), broadcast(-INFINITY), y);
  y = select(x < zero(), broadcast(NAN), y);
  y = select(x == broadcast(INFINITY), x, y);
  return select(x == x, y, x);
}

TS_INLINE V16 tanh(V16 x) {
  const V16 a = abs(x), square = x * x;
  V16 p = broadcast(-5.70498872745e-3f);
  p = fma(p, square, broadcast(2.06390887954e-2f));
  p = fma(p, square, broadcast(-5.37397155531e-2f));
  p = fma(p, square, broadcast(1.33314422036e-1f));
  p = fma(p, square, broadcast(-3.33332819422e-1f));
  const V16 near = fma(p * square, x, x);
  const V16 far = broadcast(1.0f) - broadcast(2.0f) / (exp(a + a) + broadcast(1.0f));
  return select(a < broadcast(0.625f), near, select(x == x, copySign(far, x), x));
}

/** 1 / (1 + e^-x). */
TS_INLINE V16 sigmoid(V16 x) { return broadcast(1.0f) / (broadcast(1.0f) + exp(-x)); }

struct SinCos { V16 sin, cos; };

/** sin and cos of |r| <= pi/4 + k · pi/2, given the quadrant k. */
TS_INLINE SinCos sinCosReduced(V16 r, I16 k) {
  const V16 square = r * r;
  V16 s = broadcast(-1.9515295891e-4f);
  s = fma(s, square, broadcast(8.3321608736e-3f));
  s = fma(s, square, broadcast(-1.6666654611e-1f));
  s = fma(s * square, r, r);
  V16 c = broadcast(2.443315711809948e-5f);
  c = fma(c, square, broadcast(-1.388731625493765e-3f));
  c = fma(c, square, broadcast(4.166664568298827e-2f));
  c = fma(c * square, square, fma(square, broadcast(-0.5f), broadcast(1.0f)));
  const M16 odd = (k & broadcastInt(1)) == broadcastInt(1);
  const V16 sine = select(odd, c, s), cosine = select(odd, s, c);
  return {fromBits(bits(sine) ^ ((k & broadcastInt(2)) << 30)),
          fromBits(bits(cosine) ^ (((k + broadcastInt(1)) & broadcastInt(2)) << 30))};
}

/** Arguments beyond 2^17 are reduced in double precision, lane by lane; ±inf gives NaN. */
inline SinCos sinCosLarge(V16 x) {
  alignas(64) float lanes[16];
  alignas(64) int32_t quadrants[16];
  store(lanes, x);
  for (int i = 0; i < 16; i++) {
    const double wide = lanes[i], n = wide * 0.63661977236758134308;
    if (!(n > -4503599627370496.0 && n < 4503599627370496.0)) {  // 2^52: no digit of the phase is left
      lanes[i] = std::isfinite(lanes[i]) ? 0.0f : NAN;
      quadrants[i] = 0;
      continue;
    }
    const double magic = 6755399441055744.0, whole = (n + magic) - magic;
    lanes[i] = static_cast<float>(__builtin_fma(-whole, 6.123233995736766e-17, __builtin_fma(-whole, 1.5707963267948966, wide)));
    quadrants[i] = static_cast<int32_t>(static_cast<int64_t>(whole) & 3);
  }
  return sinCosReduced(load(lanes), loadInt(quadrants));
}

TS_INLINE SinCos sinCos(V16 x) {
  if (__builtin_expect(any(!(abs(x) < broadcast(131072.0f))), false)) return sinCosLarge(x);
  const V16 n = roundNear(x * broadcast(0.636619772f));
  V16 r = fma(n, broadcast(-1.5703125f), x);  // pi/2 in four parts, the first two short
  r = fma(n, broadcast(-4.837512969970703125e-4f), r);
  r = fma(n, broadcast(-7.549790126404e-08f), r);
  r = fma(n, broadcast(1.715124499443e-15f), r);
  return sinCosReduced(r, toInt(n));
}
TS_INLINE V16 sin(V16 x) { return sinCos(x).sin; }
TS_INLINE V16 cos(V16 x) { return sinCos(x).cos; }

}  // namespace ts::ISA
