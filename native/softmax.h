// The softmax of one row, shared by the loss, the sampler and the router. The log-probability that a token was sampled
// with is the trainer's, bit for bit, because both are computed here:
//   z = logit / temperature (−inf outside the support),  m = max z,  e = exp(z − m),
//   total = Σ e (entry j in lane j mod 16, one fixed tree; entries outside the support are exact zeros),
//   logp = z − (m + log total).
// e below e^−64 is an exact zero as well: too small to matter in any sum, it would become denormal numbers, which are
// very slow, in the products of the backward pass.
#pragma once
#include "math.h"
#include "rows.h"

namespace ts::ISA {

TS_INLINE float lane0(V16 x) { return x.v[0][0]; }
TS_INLINE float exp1(float x) { return lane0(exp(broadcast(x))); }
TS_INLINE float log1(float x) { return lane0(log(broadcast(x))); }

/** z = logits / temperature; z may be the logits. */
inline void temper(const float* logits, float* z, int64_t n, float temperature) {
  if (temperature == 1.0f) {
    if (z != logits) copyRow(z, logits, n);
    return;
  }
  const V16 divisor = broadcast(temperature);
  along(n, [&](int64_t i, auto lanes) TS_LAMBDA { lanes.store(z + i, lanes.load(logits + i) / divisor); });
}

/** The largest value, NaN ignored; −inf if there is none. */
inline float largest(const float* x, int64_t n) {
  return max(fold(n, broadcast(-INFINITY), [&](V16 m, int64_t i, auto lanes) TS_LAMBDA { return max(lanes.loadOr(x + i, -INFINITY), m); }));
}

/** The lowest index of the largest value, NaN ignored; 0 if there is none. */
inline int64_t argmax(const float* x, int64_t n) {
  const float best = largest(x, n);
  int64_t i = 0;
  while (i + 16 <= n && !any(load(x + i) == broadcast(best))) i += 16;
  while (i < n && x[i] != best) i++;
  return i < n ? i : 0;
}

struct Softmax {
  float largest;  // m
  float total;    // Σ e
  float logSum;   // m + log total
  float entropy;  // log total − Σ e (z − m) / total
};

/** e = exp(z − max); e may be z. */
inline Softmax softmax(const float* z, float* e, int64_t n) {
  const float m = largest(z, n);
  V16 totals = zero(), weighted = zero();
  along(n, [&](int64_t i, auto lanes) TS_LAMBDA {
    const V16 lowest = broadcast(-64.0f), difference = lanes.loadOr(z + i, -INFINITY) - broadcast(m);
    const V16 d = max(lowest, difference);  // NaN stays
    const V16 x = select(difference < lowest, zero(), exp(d));
    lanes.store(e + i, x);
    totals += x;
    weighted = fma(x, d, weighted);
  });
  const float total = sum(totals), logTotal = log1(total);
  return {m, total, m + logTotal, logTotal - sum(weighted) / total};
}

}  // namespace ts::ISA
