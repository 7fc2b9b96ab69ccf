// RMSNorm over G groups of C channels a row, all with the same weight: y = x · rstd · (w + offset), rstd = 1 / √(mean x² + ε).
//   dx = rstd · (w'·dy − x̂ · mean(w'·dy·x̂)), w' = w + offset,  dw = Σ dy·x̂,  x̂ = x · rstd.
// dw: fixed blocks of 64 rows, each with its partial sum in order of rows and groups; then the blocks in order.
#include "rows.h"

namespace ts::ISA {
namespace {

constexpr int64_t BLOCK = 64;

// t = x, weight, y, rstd (T·G); a = T, G, C, ldx, ldy, ε, offset
void rmsNorm(Pool& pool, const Command& c) {
  const int64_t T = c.dim(0), G = c.dim(1), C = c.dim(2), ldx = c.dim(3), ldy = c.dim(4);
  const float eps = c.scalar(5);
  const V16 offset = broadcast(c.scalar(6));
  const float* w = c.f(1);
  parallelRows(pool, T, G * C, [&](int64_t first, int64_t end, int) {
    for (int64_t t = first; t < end; t++) {
      for (int64_t g = 0; g < G; g++) {
        const float* x = c.f(0) + t * ldx + g * C;
        float* y = c.f(2) + t * ldy + g * C;
        const float rstd = 1.0f / __builtin_sqrtf(dot(x, x, C) / static_cast<float>(C) + eps);
        c.f(3)[t * G + g] = rstd;
        const V16 r = broadcast(rstd);
        along(C, [=](int64_t i, auto lanes) TS_LAMBDA { lanes.store(y + i, lanes.load(x + i) * r * (lanes.load(w + i) + offset)); });
      }
    }
  });
}

struct Group {
  const float *x, *w, *dy;
  float *dx, *dw;  // either may be null
  float* y;        // where to make y again; may be null, or dy
  float rstd, offset;
  bool accumulate;
};

TS_INLINE void groupBackward(const Group& o, int64_t C) {
  const V16 r = broadcast(o.rstd), offset = broadcast(o.offset);
  if (o.dx) {
    const float projection = sum(fold(C, zero(), [&](V16 s, int64_t i, auto lanes) TS_LAMBDA {
      return fma((lanes.load(o.w + i) + offset) * lanes.load(o.dy + i), lanes.load(o.x + i), s);
    }));
    const V16 mean = broadcast(projection * o.rstd / static_cast<float>(C));
    along(C, [&](int64_t i, auto lanes) TS_LAMBDA {
      const V16 normed = lanes.load(o.x + i) * r, d = r * ((lanes.load(o.w + i) + offset) * lanes.load(o.dy + i) - normed * mean);
      lanes.store(o.dx + i, o.accumulate ? lanes.load(o.dx + i) + d : d);
    });
  }
  if (o.dw) {
    along(C, [&](int64_t i, auto lanes) TS_LAMBDA {
      lanes.store(o.dw + i, fma(lanes.load(o.dy + i), lanes.load(o.x + i) * r, lanes.load(o.dw + i)));
    });
  }
  if (o.y) along(C, [&](int64_t i, auto lanes) TS_LAMBDA { lanes.store(o.y + i, lanes.load(o.x + i) * r * (lanes.load(o.w + i) + offset)); });
}

// t = x, weight, rstd, dy, dx?, dw? (+=; without it the blocks stay), y? (rows like dy's; may be dy), partial? (blocks, C); a = T, G, C, ldx, lddy, lddx, accumulate dx, offset
void rmsNormBackward(Pool& pool, const Command& c) {
  const int64_t T = c.dim(0), G = c.dim(1), C = c.dim(2), ldx = c.dim(3), lddy = c.dim(4), lddx = c.dim(5);
  float *dw = c.f(5), *partial = c.f(7);
  const int64_t blocks = ceilDiv(T, BLOCK);
  parallelRows(pool, blocks, BLOCK * G * C * 2, [&](int64_t first, int64_t end, int) {
    for (int64_t b = first; b < end; b++) {
      if (partial) clearRow(partial + b * C, C);
      for (int64_t t = b * BLOCK; t < least(T, (b + 1) * BLOCK); t++) {
        for (int64_t g = 0; g < G; g++) {
          groupBackward({c.f(0) + t * ldx + g * C, c.f(1), c.f(3) + t * lddy + g * C, c.f(4) ? c.f(4) + t * lddx + g * C : nullptr,
                         partial ? partial + b * C : nullptr, c.f(6) ? c.f(6) + t * lddy + g * C : nullptr, c.f(2)[t * G + g], c.scalar(7), c.flag(6)}, C);
        }
      }
    }
  });
  if (dw) for (int64_t b = 0; b < blocks; b++) addRow(dw, partial + b * C, C);
}

// t = partial, dw (+=); a = blocks, C
void addBlocks(Pool&, const Command& c) {
  for (int64_t b = 0; b < c.dim(0); b++) addRow(c.f(1), c.f(0) + b * c.dim(1), c.dim(1));
}

}  // namespace

extern const Entry norm_kernels[] = {{"rmsNorm", rmsNorm}, {"rmsNormBackward", rmsNormBackward}, {"addBlocks", addBlocks}, {nullptr, nullptr}};

}  // namespace ts::ISA
