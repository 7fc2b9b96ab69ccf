// Rotary position embedding in place: a' = a·cos − b·sin, b' = b·cos + a·sin, on R channels of every head.
//   half: pairs (i, i + R/2).  interleaved: pairs (2i, 2i + 1).  direction −1 turns back.
#include "rows.h"

namespace ts::ISA {
namespace {

using vu64 = uint64_t __attribute__((vector_size(W * 4)));

/** Lanes 1, 0, 3, 2, …, 15, 14. */
TS_INLINE V16 swapPairs(V16 x) {
  return parts<V16>([&](int i) TS_LAMBDA { const vu64 pairs = (vu64)x.v[i]; return (vf)(pairs << 32 | pairs >> 32); });
}

TS_INLINE void turnHalves(float* a, const float* cosine, const float* sine, V16 sign, int64_t half) {
  float* b = a + half;
  along(half, [=](int64_t i, auto lanes) TS_LAMBDA {
    const V16 c = lanes.load(cosine + i), s = lanes.load(sine + i) * sign, x = lanes.load(a + i), y = lanes.load(b + i);
    lanes.store(a + i, fma(x, c, -(y * s)));
    lanes.store(b + i, fma(y, c, x * s));
  });
}

/** cosines: c0 c0 c1 c1 …; sines: −s0 s0 −s1 s1 … */
TS_INLINE void turnPairs(float* x, const float* cosines, const float* sines, int64_t R) {
  along(R, [=](int64_t i, auto lanes) TS_LAMBDA {
    const V16 pairs = lanes.load(x + i);
    lanes.store(x + i, fma(pairs, lanes.load(cosines + i), swapPairs(pairs) * lanes.load(sines + i)));
  });
}

// t = x (in place), table (P, R): R/2 cosines, R/2 sines, positions (T); a = T, heads, head stride, start, R, ld, interleaved, direction
void rope(Pool& pool, const Command& c) {
  const int64_t T = c.dim(0), heads = c.dim(1), stride = c.dim(2), start = c.dim(3), R = c.dim(4), ld = c.dim(5), half = R / 2;
  const bool interleaved = c.flag(6);
  const float direction = c.scalar(7);
  parallelRows(pool, T, heads * R, [&](int64_t first, int64_t end, int thread) {
    float* pairs = interleaved ? static_cast<float*>(pool.threadScratch(thread, 2 * R * sizeof(float))) : nullptr;
    for (int64_t t = first; t < end; t++) {
      const float *cosine = c.f(1) + c.i32(2)[t] * R, *sine = cosine + half;
      float* x = c.f(0) + t * ld + start;
      if (interleaved) {
        for (int64_t i = 0; i < half; i++) {
          pairs[2 * i] = pairs[2 * i + 1] = cosine[i];
          pairs[R + 2 * i + 1] = sine[i] * direction;
          pairs[R + 2 * i] = -pairs[R + 2 * i + 1];
        }
        for (int64_t h = 0; h < heads; h++) turnPairs(x + h * stride, pairs, pairs + R, R);
      } else {
        for (int64_t h = 0; h < heads; h++) turnHalves(x + h * stride, cosine, sine, broadcast(direction), half);
      }
    }
  });
}

}  // namespace

extern const Entry rope_kernels[] = {{"rope", rope}, {nullptr, nullptr}};

}  // namespace ts::ISA
