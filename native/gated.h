// A gate times a value: h = gated(z) · up; the gate's z and up stand side by side in rows of 2F. A Gate tells, for 16 z:
//   gated = z · σ, σ, and slope = d(z · σ)/dz / σ, so dgate = dh · σ · up · slope and dup = dh · σ · z.
#pragma once
#include "math.h"
#include "rows.h"

namespace ts::ISA {

struct GateValues { V16 gated, sigma, slope; };

// t = gateUp, h; a = T, F, ld
template <class Gate>
void gatedForward(Pool& pool, const Command& c) {
  const int64_t T = c.dim(0), F = c.dim(1), ld = c.dim(2);
  parallelRows(pool, T, 2 * F, [&](int64_t first, int64_t end, int) {
    for (int64_t t = first; t < end; t++) {
      const float *gate = c.f(0) + t * ld, *up = gate + F;
      float* h = c.f(1) + t * F;
      along(F, [=](int64_t f, auto lanes) TS_LAMBDA { lanes.store(h + f, Gate::at(lanes.load(gate + f)).gated * lanes.load(up + f)); });
    }
  });
}

template <class Gate, bool ACCUMULATE, bool AGAIN>
void gatedBackwardAs(Pool& pool, const Command& c) {
  const int64_t T = c.dim(0), F = c.dim(1), ld = c.dim(2), ldd = c.dim(3);
  parallelRows(pool, T, 2 * F, [&](int64_t first, int64_t end, int) {
    for (int64_t t = first; t < end; t++) {
      const float *gate = c.f(0) + t * ld, *up = gate + F, *dh = c.f(1) + t * F;
      float *dgate = c.f(2) + t * ldd, *dup = dgate + F, *h = AGAIN ? c.f(3) + t * F : nullptr;
      along(F, [=](int64_t f, auto lanes) TS_LAMBDA {
        const V16 z = lanes.load(gate + f);
        const GateValues g = Gate::at(z);
        const V16 u = lanes.load(up + f), d = lanes.load(dh + f) * g.sigma, toGate = d * u * g.slope, toUp = d * z;
        if (AGAIN) lanes.store(h + f, g.gated * u);
        lanes.store(dgate + f, ACCUMULATE ? lanes.load(dgate + f) + toGate : toGate);
        lanes.store(dup + f, ACCUMULATE ? lanes.load(dup + f) + toUp : toUp);
      });
    }
  });
}

// t = gateUp, dh, dgateUp (may be gateUp), h? (may be dh); a = T, F, ld, ldd, accumulate
template <class Gate>
void gatedBackward(Pool& pool, const Command& c) {
  if (c.f(3)) (c.flag(4) ? gatedBackwardAs<Gate, true, true> : gatedBackwardAs<Gate, false, true>)(pool, c);
  else (c.flag(4) ? gatedBackwardAs<Gate, true, false> : gatedBackwardAs<Gate, false, false>)(pool, c);
}

}  // namespace ts::ISA
