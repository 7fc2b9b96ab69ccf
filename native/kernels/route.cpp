// The router of DeepSeekMoE (DeepSeek-V3 §2.1.2): scores s = σ(logits) or softmax; s + bias chooses, s weighs.
// Group-limited: a group's score is the sum of its two best choices (or its best one), the best `topkGroup` groups stay. Ties always go to
// the lower index. w = s[chosen] / (Σ + 1e-20) (if normalised) · scale.
// Balance loss of a document of n tokens (eq. 17–20): α Σ f_i P_i, f_i = E/(K n) · #{t: i among the K best of s_t},
// P_i = mean_t s_ti / Σ_j s_tj;  ds_ti = α/n · (f_i / Σ − Σ_j f_j s_tj / Σ²).
#include "softmax.h"

namespace ts::ISA {
namespace {

/** The best of the values not yet taken, which it takes. */
TS_INLINE int64_t take(float* values, int64_t n) {
  const int64_t i = argmax(values, n);
  values[i] = NAN;  // argmax ignores it
  return i;
}

TS_INLINE void scoresOf(const float* logits, float* scores, int64_t E, bool useSoftmax) {
  if (!useSoftmax) return along(E, [=](int64_t i, auto lanes) TS_LAMBDA { lanes.store(scores + i, sigmoid(lanes.load(logits + i))); });
  const V16 total = broadcast(softmax(logits, scores, E).total);
  along(E, [=](int64_t i, auto lanes) TS_LAMBDA { lanes.store(scores + i, lanes.load(scores + i) / total); });
}

TS_INLINE float twoBest(const float* choice, int64_t size) {
  if (size == 1) return choice[0];
  float first = choice[0], second = choice[1];
  if (second > first) { const float x = first; first = second; second = x; }
  for (int64_t i = 2; i < size; i++) {
    if (choice[i] > first) { second = first; first = choice[i]; }
    else if (choice[i] > second) second = choice[i];
  }
  return first + second;
}

TS_INLINE float best(const float* choice, int64_t size) {
  float first = choice[0];
  for (int64_t i = 1; i < size; i++) if (choice[i] > first) first = choice[i];
  return first;
}

/** Sets the choices outside of the best groups to `masked`. */
TS_INLINE void limitGroups(float* choice, float* groupScores, int64_t E, int64_t groups, int64_t kept, bool byTwo, float masked) {
  const int64_t size = E / groups;
  for (int64_t g = 0; g < groups; g++) groupScores[g] = byTwo ? twoBest(choice + g * size, size) : best(choice + g * size, size);
  for (int64_t k = 0; k < kept; k++) take(groupScores, groups);
  for (int64_t g = 0; g < groups; g++) {
    if (groupScores[g] != groupScores[g]) continue;  // taken
    for (int64_t i = g * size; i < (g + 1) * size; i++) choice[i] = masked;
  }
}

// t = logits, bias?, experts, weights, scores; a = T, E, K, groups, topkGroup, normalise, scale, mask with zero, softmax, best of group
void moeRoute(Pool& pool, const Command& c) {
  const int64_t T = c.dim(0), E = c.dim(1), K = c.dim(2), groups = c.dim(3);
  const float *bias = c.f(1), scale = c.scalar(6), masked = c.flag(7) ? 0.0f : -INFINITY;
  if (K > E) pool.fail("moeRoute: %lld experts are to be chosen of %lld", static_cast<long long>(K), static_cast<long long>(E));
  parallelRows(pool, T, E * (K + 4), [&](int64_t first, int64_t end, int thread) {
    float* choice = static_cast<float*>(pool.threadScratch(thread, (E + groups) * sizeof(float)));
    for (int64_t t = first; t < end; t++) {
      int32_t* experts = c.i32(2) + t * K;
      float *weights = c.f(3) + t * K, *scores = c.f(4) + t * E;
      scoresOf(c.f(0) + t * E, scores, E, c.flag(8));
      along(E, [=](int64_t i, auto lanes) TS_LAMBDA { lanes.store(choice + i, bias ? lanes.load(scores + i) + lanes.load(bias + i) : lanes.load(scores + i)); });
      if (groups > 1) limitGroups(choice, choice + E, E, groups, c.dim(4), c.dim(9) == 2, masked);
      float total = 0;
      for (int64_t k = 0; k < K; k++) {
        experts[k] = static_cast<int32_t>(take(choice, E));
        total += scores[experts[k]];
      }
      for (int64_t k = 0; k < K; k++) weights[k] = (c.flag(5) ? scores[experts[k]] / (total + 1e-20f) : scores[experts[k]]) * scale;
    }
  });
}

/** Σ x */
TS_INLINE float rowSum(const float* x, int64_t n) {
  return sum(fold(n, zero(), [&](V16 s, int64_t i, auto lanes) TS_LAMBDA { return s + lanes.load(x + i); }));
}

/** One document: scores (n, E) → its loss and dscores. `scratch`: 3E. */
float balance(const float* scores, float* dscores, int64_t n, int64_t E, int64_t K, float coefficient, float* scratch) {
  if (n == 0) return 0;
  float *f = scratch, *P = f + E, *choice = P + E;
  clearRow(f, 2 * E);
  for (int64_t t = 0; t < n; t++) {
    const float* s = scores + t * E;
    copyRow(choice, s, E);
    for (int64_t k = 0; k < K; k++) f[take(choice, E)] += 1;
    const V16 total = broadcast(rowSum(s, E));
    along(E, [=](int64_t i, auto lanes) TS_LAMBDA { lanes.store(P + i, lanes.load(P + i) + lanes.load(s + i) / total); });
  }
  const float length = static_cast<float>(n), share = static_cast<float>(E) / (static_cast<float>(K) * length);
  for (int64_t i = 0; i < E; i++) f[i] *= share;
  for (int64_t t = 0; t < n; t++) {
    const float *s = scores + t * E, total = rowSum(s, E);
    float* ds = dscores + t * E;
    const V16 mean = broadcast(dot(f, s, E) / total), weight = broadcast(coefficient / (length * total));
    along(E, [=](int64_t i, auto lanes) TS_LAMBDA { lanes.store(ds + i, weight * (lanes.load(f + i) - mean)); });
  }
  return coefficient * (dot(f, P, E) / length);
}

// t = scores, starts (documents + 1), loss (documents), dscores (overwritten); a = documents, E, K, coefficient
void moeBalance(Pool& pool, const Command& c) {
  const int64_t documents = c.dim(0), E = c.dim(1), K = c.dim(2);
  const int32_t* starts = c.i32(1);
  const int64_t T = starts[documents] - starts[0];
  parallelRows(pool, documents, T * E * (K + 4) / most(1, documents), [&](int64_t first, int64_t end, int thread) {
    float* scratch = static_cast<float*>(pool.threadScratch(thread, 3 * E * sizeof(float)));
    for (int64_t d = first; d < end; d++)
      c.f(2)[d] = balance(c.f(0) + starts[d] * E, c.f(3) + starts[d] * E, starts[d + 1] - starts[d], E, K, c.scalar(3), scratch);
  });
}

// t = dweights, experts, scores, dscores?, dlogits; a = T, E, K, normalise, scale, softmax, accumulate
void moeRouteBackward(Pool& pool, const Command& c) {
  const int64_t T = c.dim(0), E = c.dim(1), K = c.dim(2);
  const bool normalise = c.flag(3), useSoftmax = c.flag(5), accumulate = c.flag(6);
  const float scale = c.scalar(4);
  parallelRows(pool, T, 4 * E, [&](int64_t first, int64_t end, int thread) {
    float* ds = static_cast<float*>(pool.threadScratch(thread, E * sizeof(float)));
    for (int64_t t = first; t < end; t++) {
      const float *dweights = c.f(0) + t * K, *s = c.f(2) + t * E;
      const int32_t* chosen = c.i32(1) + t * K;
      float* dlogits = c.f(4) + t * E;
      if (c.f(3)) copyRow(ds, c.f(3) + t * E, E);
      else clearRow(ds, E);
      float total = 1e-20f, weighted = 0;
      for (int64_t k = 0; k < K; k++) {
        total += s[chosen[k]];
        weighted += dweights[k] * s[chosen[k]];
      }
      for (int64_t k = 0; k < K; k++) ds[chosen[k]] += scale * (normalise ? (dweights[k] - weighted / total) / total : dweights[k]);
      const V16 one = broadcast(1.0f), mean = useSoftmax ? broadcast(dot(ds, s, E)) : zero();
      along(E, [&](int64_t i, auto lanes) TS_LAMBDA {
        const V16 si = lanes.load(s + i), slope = useSoftmax ? si : si * (one - si), d = slope * (lanes.load(ds + i) - mean);
        lanes.store(dlogits + i, accumulate ? lanes.load(dlogits + i) + d : d);
      });
    }
  });
}

}  // namespace

extern const Entry route_kernels[] = {{"moeRoute", moeRoute}, {"moeBalance", moeBalance}, {"moeRouteBackward", moeRouteBackward}, {nullptr, nullptr}};

}  // namespace ts::ISA
