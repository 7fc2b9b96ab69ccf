// SwiGLU: h = gate · σ(gate) · up; gate and up stand side by side in rows of 2F.
//   dgate = dh · up · σ · (1 + gate · (1 − σ)),  dup = dh · gate · σ.
#include "math.h"
#include "rows.h"

namespace ts::ISA {
namespace {

// t = gateUp, h; a = T, F, ld
void swiglu(Pool& pool, const Command& c) {
  const int64_t T = c.dim(0), F = c.dim(1), ld = c.dim(2);
  parallelRows(pool, T, 2 * F, [&](int64_t first, int64_t end, int) {
    for (int64_t t = first; t < end; t++) {
      const float *gate = c.f(0) + t * ld, *up = gate + F;
      float* h = c.f(1) + t * F;
      along(F, [=](int64_t f, auto lanes) TS_LAMBDA {
        const V16 z = lanes.load(gate + f);
        lanes.store(h + f, z / (broadcast(1.0f) + exp(-z)) * lanes.load(up + f));
      });
    }
  });
}

// t = gateUp, dh, dgateUp (may be gateUp), h? (may be dh); a = T, F, ld, ldd, accumulate
template <bool ACCUMULATE, bool AGAIN>
void backward(Pool& pool, const Command& c) {
  const int64_t T = c.dim(0), F = c.dim(1), ld = c.dim(2), ldd = c.dim(3);
  parallelRows(pool, T, 2 * F, [&](int64_t first, int64_t end, int) {
    for (int64_t t = first; t < end; t++) {
      const float *gate = c.f(0) + t * ld, *up = gate + F, *dh = c.f(1) + t * F;
      float *dgate = c.f(2) + t * ldd, *dup = dgate + F, *h = AGAIN ? c.f(3) + t * F : nullptr;
      along(F, [=](int64_t f, auto lanes) TS_LAMBDA {
        const V16 one = broadcast(1.0f), z = lanes.load(gate + f), below = one + exp(-z), sigma = one / below;
        const V16 u = lanes.load(up + f), d = lanes.load(dh + f) * sigma, slope = fma(z, one - sigma, one);
        const V16 toGate = d * u * slope, toUp = d * z;
        if (AGAIN) lanes.store(h + f, z / below * u);
        lanes.store(dgate + f, ACCUMULATE ? lanes.load(dgate + f) + toGate : toGate);
        lanes.store(dup + f, ACCUMULATE ? lanes.load(dup + f) + toUp : toUp);
      });
    }
  });
}

void swigluBackward(Pool& pool, const Command& c) {
  if (c.f(3)) (c.flag(4) ? backward<true, true> : backward<false, true>)(pool, c);
  else (c.flag(4) ? backward<true, false> : backward<false, false>)(pool, c);
}

}  // namespace

extern const Entry swiglu_kernels[] = {{"swiglu", swiglu}, {"swigluBackward", swigluBackward}, {nullptr, nullptr}};

}  // namespace ts::ISA
