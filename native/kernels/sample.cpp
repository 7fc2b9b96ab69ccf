// sample: one token a row, and the state of the row moved on, as src/engine/ops/sample.ts says.
//   kept: top-k, then top-p, then min-p, ties to the lower id; the rest of z becomes −inf, so that its probability is an
//   exact zero in every sum, and the log-probability is crossEntropy's over the same support (softmax.h).
//   token = first j with Σ_{i ≤ j} e_i > u · Σ e, u = Philox(seed; stream, position) / 2³².
#include "philox.h"
#include "softmax.h"

namespace ts::ISA {
namespace {

// ---- order ---------------------------------------------------------------------------------------------------------

/** Ascending keys mean: larger z first, then the lower id. */
TS_INLINE uint64_t keyOf(float z, int64_t id) {
  const float positive = z + 0.0f;  // −0 and 0 are equal
  uint32_t b;
  memcpy(&b, &positive, sizeof b);
  return static_cast<uint64_t>(b >> 31 ? b : 0x7fffffff - b) << 32 | static_cast<uint64_t>(id);
}
TS_INLINE int64_t idOf(uint64_t key) { return static_cast<int64_t>(key & 0xffffffff); }

/** Restores the heap (largest key at the root) below i. */
TS_INLINE void siftDown(uint64_t* heap, int64_t n, int64_t i) {
  const uint64_t key = heap[i];
  for (int64_t child = 2 * i + 1; child < n; child = 2 * i + 1) {
    if (child + 1 < n && heap[child + 1] > heap[child]) child++;
    if (heap[child] <= key) break;
    heap[i] = heap[child];
    i = child;
  }
  heap[i] = key;
}
TS_INLINE void heapify(uint64_t* heap, int64_t n) {
  for (int64_t i = n / 2 - 1; i >= 0; i--) siftDown(heap, n, i);
}

/** Calls f(j) for every j in from … n − 1, in order, with x[j] > bound; f may raise the bound. */
template <class F>
TS_INLINE void above(const float* x, int64_t from, int64_t n, const float& bound, F f) {
  int64_t j = from;
  for (; j + 16 <= n; j += 16) {
    if (!any(load(x + j) > broadcast(bound))) continue;
    for (int64_t i = j; i < j + 16; i++) if (x[i] > bound) f(i);
  }
  for (; j < n; j++) if (x[j] > bound) f(j);
}

// ---- what is kept --------------------------------------------------------------------------------------------------

/** z becomes −inf where it comes after the token `last` in order. */
void cutAfter(float* z, int64_t n, int64_t last) {
  const V16 bound = broadcast(z[last]), none = broadcast(-INFINITY);
  along(last + 1, [=](int64_t j, auto lanes) TS_LAMBDA { const V16 x = lanes.load(z + j); lanes.store(z + j, select(x >= bound, x, none)); });
  float* rest = z + last + 1;
  along(n - last - 1, [=](int64_t j, auto lanes) TS_LAMBDA { const V16 x = lanes.load(rest + j); lanes.store(rest + j, select(x > bound, x, none)); });
}

/** The k-th token in order: a heap of the k best met so far, the worst of them at its root. */
int64_t kthBest(const float* z, int64_t n, int64_t k, uint64_t* heap) {
  for (int64_t j = 0; j < k; j++) heap[j] = keyOf(z[j], j);
  heapify(heap, k);
  float worst = z[idOf(heap[0])];
  above(z, k, n, worst, [&](int64_t j) TS_LAMBDA {  // an equal one comes later in order
    heap[0] = keyOf(z[j], j);
    siftDown(heap, k, 0);
    worst = z[idOf(heap[0])];
  });
  return idOf(heap[0]);
}

/** The last of the best tokens whose mass reaches share · total. Buckets of 1/32 in z find the neighbourhood, in which the
 *  tokens are then walked in order. Tokens with less than a half of (1 − share) · total / n are left out: all of those
 *  together are too light to be needed. */
int64_t lastOfMass(const float* z, const float* e, int64_t n, const Softmax& row, double share, uint64_t* heap) {
  constexpr int32_t BUCKETS = 1024;
  const float light = static_cast<float>(0.5 * (1 - share) * row.total / static_cast<double>(n));
  const auto bucketOf = [&](int64_t j) TS_LAMBDA {  // steps down from the best
    const float steps = (row.largest - z[j]) * 32.0f;
    return steps < BUCKETS - 1 ? static_cast<int32_t>(steps) : BUCKETS - 1;
  };
  double masses[BUCKETS] = {};
  above(e, 0, n, light, [&](int64_t j) TS_LAMBDA { masses[bucketOf(j)] += e[j]; });
  const double wanted = share * row.total;
  double mass = 0;
  int32_t bucket = 0;  // where the mass is reached, or else the last one with anything in it
  for (int32_t b = 0; b < BUCKETS && mass < wanted; mass += masses[b++])
    if (masses[b] > 0) bucket = b;
  mass -= masses[bucket];

  int64_t count = 0, last = argmax(z, n);
  above(e, 0, n, light, [&](int64_t j) TS_LAMBDA { if (bucketOf(j) == bucket) heap[count++] = ~keyOf(z[j], j); });
  for (heapify(heap, count); count > 0; siftDown(heap, count, 0)) {
    last = idOf(~heap[0]);
    mass += e[last];
    if (mass >= wanted) break;
    heap[0] = heap[--count];
  }
  return last;
}

struct Cut {
  int64_t topK;
  double topP;
  float minP;
  bool any() const { return topK > 0 || topP < 1 || minP > 0; }
};

/** Leaves the kept tokens in z. `e` and `heap` are work space of n. */
void keep(float* z, float* e, int64_t n, const Cut& cut, uint64_t* heap) {
  if (cut.topK > 0 && cut.topK < n) cutAfter(z, n, kthBest(z, n, cut.topK, heap));
  if (cut.topP < 1) {
    const Softmax row = softmax(z, e, n);
    cutAfter(z, n, lastOfMass(z, e, n, row, cut.topP, heap));
  }
  if (cut.minP > 0) {
    softmax(z, e, n);
    const V16 least = broadcast(cut.minP), none = broadcast(-INFINITY);
    along(n, [=](int64_t j, auto lanes) TS_LAMBDA { lanes.store(z + j, select(lanes.load(e + j) >= least, lanes.load(z + j), none)); });
  }
}

// ---- a row ---------------------------------------------------------------------------------------------------------

/** The first token whose cumulative sum, rounded at every addition, exceeds u · total; else the last one kept. */
int64_t draw(const float* z, const float* e, int64_t n, float total, uint32_t word) {
  const float threshold = static_cast<float>(word / 4294967296.0 * static_cast<double>(total));
  float cumulative = 0;
  for (int64_t j = 0; j < n; j += 16) {
    if (!any(load(e + j, n - j) > zero())) continue;
    for (int64_t i = j; i < least(n, j + 16); i++) {
      cumulative += e[i];
      if (cumulative > threshold) return i;
    }
  }
  int64_t last = n - 1;
  while (last > 0 && !(z[last] > -INFINITY)) last--;
  return last;
}

/** Writes the kept ids in order. */
int32_t writeSupport(Pool& pool, const float* z, int64_t n, int32_t* ids, int64_t room) {
  int64_t count = 0;
  const float none = -INFINITY;
  above(z, 0, n, none, [&](int64_t j) TS_LAMBDA {
    if (count == room) pool.fail("sample: more tokens are kept than the support has room for (%lld)", static_cast<long long>(room));
    ids[count++] = static_cast<int32_t>(j);
  });
  return static_cast<int32_t>(count);
}

// t = logits, token, seq, pos, limit, stream, stops, outTokens, outLogp, count, support ids?, support sizes?
// a = B, V, maxNew, stops, temperature, topK, topP, minP, seed low, seed high, support cap
void sampleRow(Pool& pool, int thread, const Command& c, int64_t b) {
  const int64_t V = c.dim(1), maxNew = c.dim(2), cap = c.dim(10);
  int32_t *token = c.i32(1), *seq = c.i32(2), *pos = c.i32(3), *count = c.i32(9);
  if (seq[b] < 0 || count[b] >= maxNew) return;
  const bool greedy = c.at(4) == 0;
  const Cut cut = greedy ? Cut{0, 1, 0} : Cut{c.dim(5), c.at(6), c.scalar(7)};
  const int64_t padded = ceilDiv(V, 16) * 16;
  float* z = static_cast<float*>(pool.threadScratch(thread, 2 * padded * sizeof(float), 0));
  float* e = z + padded;
  temper(c.f(0) + b * V, z, V, greedy ? 1.0f : c.scalar(4));
  if (cut.any()) keep(z, e, V, cut, static_cast<uint64_t*>(pool.threadScratch(thread, V * sizeof(uint64_t), 1)));
  const Softmax row = softmax(z, e, V);
  const auto word = [&] { return randomWord(static_cast<uint32_t>(c.at(8)), static_cast<uint32_t>(c.at(9)), c.i32(5)[b], pos[b]); };
  const int64_t id = greedy ? argmax(z, V) : draw(z, e, V, row.total, word());

  const int64_t at = b * maxNew + count[b];
  c.i32(7)[at] = static_cast<int32_t>(id);
  c.f(8)[at] = z[id] - row.logSum;
  if (c.t[11]) c.i32(11)[at] = cut.any() ? writeSupport(pool, z, V, c.i32(10) + at * cap, cap) : 0;
  token[b] = static_cast<int32_t>(id);
  count[b]++;
  pos[b]++;
  bool done = pos[b] >= c.i32(4)[b] || count[b] >= maxNew;
  for (int64_t s = 0; s < c.dim(3); s++) done = done || c.i32(6)[s] == token[b];
  if (done) seq[b] = -1;
}

void sample(Pool& pool, const Command& c) {
  parallelRows(pool, c.dim(0), 8 * c.dim(1), [&](int64_t first, int64_t end, int thread) {
    for (int64_t b = first; b < end; b++) sampleRow(pool, thread, c, b);
  });
}

}  // namespace

extern const Entry sample_kernels[] = {{"sample", sample}, {nullptr, nullptr}};

}  // namespace ts::ISA
