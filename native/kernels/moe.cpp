// Mixture of experts around the matrix products: pairs (t, k) sorted by expert into slots, rows carried there and back.
//   moeGather: xs[slot] = x[t].  moeCombine: y[t] = Σ_k weight[t,k] · ys[slot(t,k)], k in order.
// Balancing without a loss (Wang et al. 2024): counts of slots per expert, bias_i += γ · sign(mean − count_i).
#include "rows.h"

namespace ts::ISA {
namespace {

// t = experts (T, K), offsets (E + 1), order (T·K), place (T, K); a = T, E, K
void moeSort(Pool& pool, const Command& c) {
  const int64_t E = c.dim(1), S = c.dim(0) * c.dim(2);
  const int32_t* experts = c.i32(0);
  int32_t *offsets = c.i32(1), *order = c.i32(2), *place = c.i32(3);
  int32_t* next = static_cast<int32_t*>(pool.scratch(0, E * sizeof(int32_t)));
  for (int64_t e = 0; e < E; e++) next[e] = 0;
  for (int64_t i = 0; i < S; i++) {
    if (experts[i] < 0 || experts[i] >= E) pool.fail("moeSort: there is no expert %d", experts[i]);
    next[experts[i]]++;
  }
  int32_t slots = 0;
  for (int64_t e = 0; e < E; e++) {
    const int32_t count = next[e];
    offsets[e] = next[e] = slots;
    slots += count;
  }
  offsets[E] = slots;
  for (int64_t i = 0; i < S; i++) {
    const int32_t slot = next[experts[i]]++;
    order[slot] = static_cast<int32_t>(i);
    place[i] = slot;
  }
}

// t = x, order, out; a = S, K, C, ldx
void moeGather(Pool& pool, const Command& c) {
  const int64_t S = c.dim(0), C = c.dim(2), ldx = c.dim(3);
  const int32_t K = static_cast<int32_t>(c.dim(1));
  parallelRows(pool, S, C, [&](int64_t first, int64_t end, int) {
    for (int64_t s = first; s < end; s++) copyRow(c.f(2) + s * C, c.f(0) + c.i32(1)[s] / K * ldx, C);
  });
}

// t = dout, place, dx; a = T, K, C, lddx, accumulate
void moeGatherBackward(Pool& pool, const Command& c) {
  const int64_t T = c.dim(0), K = c.dim(1), C = c.dim(2), lddx = c.dim(3);
  const float* dout = c.f(0);
  const bool accumulate = c.flag(4);
  parallelRows(pool, T, K * C, [&](int64_t first, int64_t end, int) {
    for (int64_t t = first; t < end; t++) {
      const int32_t* slots = c.i32(1) + t * K;
      float* dx = c.f(2) + t * lddx;
      along(C, [&](int64_t i, auto lanes) TS_LAMBDA {
        V16 s = accumulate ? lanes.load(dx + i) : zero();
        for (int64_t k = 0; k < K; k++) s += lanes.load(dout + slots[k] * C + i);
        lanes.store(dx + i, s);
      });
    }
  });
}

// t = ys, place, weights, y; a = T, K, C
void moeCombine(Pool& pool, const Command& c) {
  const int64_t T = c.dim(0), K = c.dim(1), C = c.dim(2);
  const float* ys = c.f(0);
  parallelRows(pool, T, K * C, [&](int64_t first, int64_t end, int) {
    for (int64_t t = first; t < end; t++) {
      const int32_t* slots = c.i32(1) + t * K;
      const float* weights = c.f(2) + t * K;
      float* y = c.f(3) + t * C;
      along(C, [&](int64_t i, auto lanes) TS_LAMBDA {
        V16 s = zero();
        for (int64_t k = 0; k < K; k++) s = fma(broadcast(weights[k]), lanes.load(ys + slots[k] * C + i), s);
        lanes.store(y + i, s);
      });
    }
  });
}

// t = dy, ys, place, weights, dys (overwritten), dweights (overwritten); a = T, K, C
void moeCombineBackward(Pool& pool, const Command& c) {
  const int64_t T = c.dim(0), K = c.dim(1), C = c.dim(2);
  parallelRows(pool, T, 2 * K * C, [&](int64_t first, int64_t end, int) {
    for (int64_t pair = first * K; pair < end * K; pair++) {
      const int64_t slot = c.i32(2)[pair] * C;
      const float *dy = c.f(0) + pair / K * C, *ys = c.f(1) + slot;
      float* dys = c.f(4) + slot;
      const V16 weight = broadcast(c.f(3)[pair]);
      c.f(5)[pair] = sum(fold(C, zero(), [&](V16 s, int64_t i, auto lanes) TS_LAMBDA {
        const V16 d = lanes.load(dy + i), y = lanes.load(ys + i);
        lanes.store(dys + i, weight * d);
        return fma(d, y, s);
      }));
    }
  });
}

// t = offsets (E + 1), counts (E, +=); a = E
void moeCount(Pool&, const Command& c) {
  for (int64_t e = 0; e < c.dim(0); e++) c.f(1)[e] += static_cast<float>(c.i32(0)[e + 1] - c.i32(0)[e]);
}

// t = counts (E; reset to 0), bias (E); a = E, γ. Counts are whole numbers, so E · (mean − count) is exact in double.
void moeBiasUpdate(Pool&, const Command& c) {
  const int64_t E = c.dim(0);
  float *counts = c.f(0), *bias = c.f(1);
  double total = 0;
  for (int64_t e = 0; e < E; e++) total += counts[e];
  for (int64_t e = 0; e < E; e++) {
    const double lack = total - static_cast<double>(E) * counts[e];
    if (lack != 0) bias[e] += lack > 0 ? c.scalar(1) : -c.scalar(1);
    counts[e] = 0;
  }
}

}  // namespace

extern const Entry moe_kernels[] = {{"moeSort", moeSort}, {"moeGather", moeGather}, {"moeGatherBackward", moeGatherBackward},
  {"moeCombine", moeCombine}, {"moeCombineBackward", moeCombineBackward}, {"moeCount", moeCount}, {"moeBiasUpdate", moeBiasUpdate}, {nullptr, nullptr}};

}  // namespace ts::ISA
