// crossEntropy: the loss from hidden states, forward and backward, in chunks of rows whose logits exist at one time.
//   z = h wᵀ / temperature over the support, logp = z[target] − log Σ exp z (softmax.h)
//   nll:    loss = −A logp, g = A
//   policy: ρ = exp(logp − old), loss = −min(ρ A, clip(ρ, 1 − low, 1 + high) A), g = ρ A where unclipped, else 0
//   with a reference policy: d = ref − logp, loss += β (e^d − 1 − d), g += β (e^d − 1)
//   dz = g (softmax(z) − onehot(target)) / temperature,  dh = dz w,  dw (+)= dzᵀ h.
// A w in few bits gives the bits of the f32 one (dequantise.h), and has no dw.
// Every element of dw is one chain of fma over all rows, which goes on from chunk to chunk: chunks never show.
#include "dequantise.h"
#include "softmax.h"

namespace ts::ISA {
namespace {

struct Rows {
  const Command& c;
  const int64_t V = c.dim(2);
  const float temperature = c.scalar(4);
  const bool policy = c.flag(5);
  const float lowest = static_cast<float>(1 - c.at(6)), highest = static_cast<float>(1 + c.at(7));
  const int32_t *targets = c.i32(2), *starts = c.i32(5), *ids = c.i32(6);
  const float *coefficients = c.f(3), *old = c.f(4), *reference = c.f(12);
  const float divergence = c.scalar(13);
  float *logp = c.f(7), *entropy = c.f(8), *loss = c.f(9);
  const bool gradient = c.flag(11) || c.flag(12);
};

/** Everything outside the support becomes −inf. */
void restrict(Pool& pool, int thread, float* z, int64_t V, const int32_t* ids, int64_t count) {
  float* kept = static_cast<float*>(pool.threadScratch(thread, count * sizeof(float)));
  for (int64_t i = 0; i < count; i++) {
    if (ids[i] < 0 || ids[i] >= V) pool.fail("crossEntropy: token %d of a support lies outside of the vocabulary of %lld", ids[i], static_cast<long long>(V));
    kept[i] = z[ids[i]];
  }
  const V16 none = broadcast(-INFINITY);
  along(V, [=](int64_t j, auto lanes) TS_LAMBDA { lanes.store(z + j, none); });
  for (int64_t i = 0; i < count; i++) z[ids[i]] = kept[i];
}

/** The loss of a row by its coefficient; g is its derivative by −logp. */
TS_INLINE float policyLoss(const Rows& o, int64_t r, float logp, float& g) {
  const float advantage = o.coefficients[r];
  g = advantage;
  if (!o.policy) return -advantage * logp;
  const float ratio = exp1(logp - o.old[r]);
  const float clipped = ratio < o.lowest ? o.lowest : ratio > o.highest ? o.highest : ratio;
  const float free = ratio * advantage, bound = clipped * advantage;
  g = free <= bound ? free : 0;
  return free <= bound ? -free : -bound;
}

/** The same with the divergence from a reference policy. */
TS_INLINE float lossOf(const Rows& o, int64_t r, float logp, float& g) {
  const float loss = policyLoss(o, r, logp, g);
  if (!o.reference) return loss;
  const float d = o.reference[r] - logp, rise = exp1(d) - 1.0f;
  g += o.divergence * rise;
  return loss + o.divergence * (rise - d);
}

/** Row r: its logits in `z` become dz. */
void rowLoss(Pool& pool, int thread, const Rows& o, int64_t r, float* z) {
  const int32_t target = o.targets[r];
  if (target < 0 || target >= o.V) {
    pool.fail("crossEntropy: target %d of row %lld lies outside of the vocabulary of %lld", target, static_cast<long long>(r), static_cast<long long>(o.V));
  }
  temper(z, z, o.V, o.temperature);
  if (o.starts && o.starts[r + 1] > o.starts[r]) restrict(pool, thread, z, o.V, o.ids + o.starts[r], o.starts[r + 1] - o.starts[r]);
  const float zTarget = z[target];
  const Softmax row = softmax(z, z, o.V);
  const float logp = zTarget - row.logSum;
  float g;
  o.logp[r] = logp;
  o.entropy[r] = row.entropy;
  o.loss[r] = lossOf(o, r, logp, g);
  if (!o.gradient) return;
  const float slope = g / o.temperature, atTarget = slope * (z[target] / row.total - 1.0f);
  const V16 scale = broadcast(slope / row.total);
  along(o.V, [=](int64_t j, auto lanes) TS_LAMBDA { lanes.store(z + j, lanes.load(z + j) * scale); });
  z[target] = atTarget;
}

// t = h, w, targets, coef, oldLogp?, support starts?, support ids?, logp, entropy, loss, dh?, dw?, reference logp?, logits chunk
// a = R, C, V, chunk, temperature, policy, clip low, clip high, ldh, lddh, accumulate dh, has dh, has dw, divergence weight, type of w: 0 f32, else 1 + its number in panels.ts, accumulate dw
void crossEntropy(Pool& pool, const Command& c) {
  const int64_t R = c.dim(0), C = c.dim(1), V = c.dim(2), chunk = c.dim(3), ldh = c.dim(8), lddh = c.dim(9);
  const float* w = c.f(1);
  float *dh = c.flag(11) ? c.f(10) : nullptr, *dw = c.flag(12) ? c.f(11) : nullptr, *z = c.f(13);
  const Rows rows{c};
  const FewBits few{static_cast<const uint8_t*>(c.t[1]), C, static_cast<Few>(c.dim(14) - 1)};
  const Source toLogits = forwardOf(few), toHidden = backwardOf(few);
  const bool isFew = c.flag(14);
  for (int64_t first = 0; first < R; first += chunk) {
    const int64_t n = least(chunk, R - first);
    const float* h = c.f(0) + first * ldh;
    Product logits{n, V, C, {h, ldh, 1}, {w, 1, C}, z, V};
    if (isFew) logits.source = &toLogits;
    gemm(pool, logits);
    parallelRows(pool, n, 4 * V, [&](int64_t from, int64_t end, int thread) {
      for (int64_t i = from; i < end; i++) rowLoss(pool, thread, rows, first + i, z + i * V);
    });
    Product products[2];
    int64_t count = 0;
    if (dh) products[count++] = {n, C, V, {z, V, 1}, {w, C, 1}, dh + first * lddh, lddh, c.flag(10)};
    if (dh && isFew) products[0].source = &toHidden;
    if (dw) products[count++] = {V, C, n, {z, 1, V}, {h, ldh, 1}, dw, C, first > 0 || c.flag(15)};
    if (count) gemm(pool, products, count);
  }
}

}  // namespace

extern const Entry loss_kernels[] = {{"crossEntropy", crossEntropy}, {nullptr, nullptr}};

}  // namespace ts::ISA
