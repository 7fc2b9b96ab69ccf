// The steps of AdamW and Muon, each in one pass over the weights.
//   AdamW: m = β₁m + (1−β₁)g, v = β₂v + (1−β₂)g², w = w − lr·wd·w − lr·c₁·m / (√(c₂·v) + ε), g times the clip factor.
//   Muon: m = μm + (1−μ)g, u = (1−μ)g + μm; decayedStep: w = w − b·w − a·o.
#include "rows.h"

namespace ts::ISA {
namespace {

// t = squared norm (1), out (2): factor, norm; a = max norm (0: no clipping)
void clipFactor(Pool&, const Command& c) {
  const double norm = __builtin_sqrt(static_cast<double>(*c.f(0))), most = c.at(0), factor = most / (norm + 1e-6);
  c.f(1)[0] = most > 0 && factor < 1 ? static_cast<float>(factor) : 1.0f;
  c.f(1)[1] = static_cast<float>(norm);
}

// t = w, g, m, v, factor; a = n, lr, β₁, β₂, ε, weight decay, c₁, c₂
void adamW(Pool& pool, const Command& c) {
  float *w = c.f(0), *m = c.f(2), *v = c.f(3);
  const float* g = c.f(1);
  const double lr = c.at(1);
  const V16 factor = broadcast(*c.f(4)), beta1 = broadcast(c.scalar(2)), beta2 = broadcast(c.scalar(3)), eps = broadcast(c.scalar(4));
  const V16 rest1 = broadcast(static_cast<float>(1 - c.at(2))), rest2 = broadcast(static_cast<float>(1 - c.at(3)));
  const V16 decay = broadcast(static_cast<float>(-lr * c.at(5))), step = broadcast(static_cast<float>(lr * c.at(6))), correct = broadcast(c.scalar(7));
  parallelAlong(pool, c.dim(0), [=](int64_t i, auto lanes) TS_LAMBDA {
    const V16 gi = lanes.load(g + i) * factor, wi = lanes.load(w + i);
    const V16 mi = fma(beta1, lanes.load(m + i), rest1 * gi), vi = fma(beta2, lanes.load(v + i), rest2 * gi * gi);
    lanes.store(m + i, mi);
    lanes.store(v + i, vi);
    lanes.store(w + i, fma(decay, wi, wi) - step * mi / (sqrt(vi * correct) + eps));
  });
}

// t = g, m, u, factor; a = n, μ
void muonMomentum(Pool& pool, const Command& c) {
  const float* g = c.f(0);
  float *m = c.f(1), *u = c.f(2);
  const V16 factor = broadcast(*c.f(3)), mu = broadcast(c.scalar(1)), rest = broadcast(static_cast<float>(1 - c.at(1)));
  parallelAlong(pool, c.dim(0), [=](int64_t i, auto lanes) TS_LAMBDA {
    const V16 fresh = rest * (lanes.load(g + i) * factor), mi = fma(mu, lanes.load(m + i), fresh);
    lanes.store(m + i, mi);
    lanes.store(u + i, fma(mu, mi, fresh));
  });
}

// t = x (in place), squared norm (1); a = n, ε
void normalise(Pool& pool, const Command& c) {
  float* x = c.f(0);
  const V16 r = broadcast(static_cast<float>(1 / (__builtin_sqrt(static_cast<double>(*c.f(1))) + c.at(1))));
  parallelAlong(pool, c.dim(0), [=](int64_t i, auto lanes) TS_LAMBDA { lanes.store(x + i, lanes.load(x + i) * r); });
}

// t = w, o; a = n, step, decay
void decayedStep(Pool& pool, const Command& c) {
  float* w = c.f(0);
  const float* o = c.f(1);
  const V16 step = broadcast(-c.scalar(1)), decay = broadcast(-c.scalar(2));
  parallelAlong(pool, c.dim(0), [=](int64_t i, auto lanes) TS_LAMBDA {
    const V16 wi = lanes.load(w + i);
    lanes.store(w + i, fma(step, lanes.load(o + i), fma(decay, wi, wi)));
  });
}

}  // namespace

extern const Entry optimizers_kernels[] = {{"clipFactor", clipFactor}, {"adamW", adamW}, {"muonMomentum", muonMomentum},
  {"normalise", normalise}, {"decayedStep", decayedStep}, {nullptr, nullptr}};

}  // namespace ts::ISA
