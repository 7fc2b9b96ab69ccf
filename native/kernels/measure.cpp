// The two roofs under which everything else runs: fused multiply-adds in registers, and reading memory in a row.
#include "kernel.h"
#include "pool.h"
#include "simd.h"

namespace ts::ISA {
namespace {

// Enough independent chains to hide the latency of a fused multiply-add on every machine we know.
constexpr int chains = sizeof(vf) == 64 ? 24 : 12;

// t = [out (1)], a = [rounds a thread]; out = floating point operations done by all threads
void fmaPeak(Pool& pool, const Command& c) {
  const int64_t rounds = c.dim(0);
  const int threads = pool.threads();
  float* sinks = static_cast<float*>(pool.scratch(0, static_cast<size_t>(threads) * 64));
  pool.parallel(threads, [&](int64_t tile, int) {
    vf x[chains];
    for (int i = 0; i < chains; i++) x[i] = vset(1.0f + static_cast<float>(i));
    const vf a = vset(0.999f), b = vset(0.001f);
    for (int64_t r = 0; r < rounds; r++) {
#pragma GCC unroll 24
      for (int i = 0; i < chains; i++) x[i] = vfma(x[i], a, b);
    }
    vf sum = x[0];
    for (int i = 1; i < chains; i++) sum = sum + x[i];
    sinks[tile * 16] = sum[0];
  });
  c.f(0)[0] = static_cast<float>(2.0 * W * chains * static_cast<double>(rounds) * threads);
}

// t = [x, out (1)], a = [n]
void readBandwidth(Pool& pool, const Command& c) {
  const float* x = c.f(0);
  const int64_t n = c.dim(0), block = 1 << 18, tiles = (n + block - 1) / block;
  float* parts = static_cast<float*>(pool.scratch(0, static_cast<size_t>(tiles) * 4));
  pool.parallel(tiles, [&](int64_t tile, int) {
    const int64_t end = (tile + 1) * block < n ? (tile + 1) * block : n;
    vf sum[8];
    for (vf& s : sum) s = vset(0);
    int64_t i = tile * block;
    for (; i + 8 * W <= end; i += 8 * W)
      for (int k = 0; k < 8; k++) sum[k] = sum[k] + vload(x + i + k * W);
    for (int k = 1; k < 8; k++) sum[0] = sum[0] + sum[k];
    float total = 0;
    for (int k = 0; k < W; k++) total += sum[0][k];
    for (; i < end; i++) total += x[i];
    parts[tile] = total;
  });
  float total = 0;
  for (int64_t tile = 0; tile < tiles; tile++) total += parts[tile];
  c.f(1)[0] = total;
}

}  // namespace

extern const Entry measure_kernels[] = {{"fmaPeak", fmaPeak}, {"readBandwidth", readBandwidth}, {nullptr, nullptr}};

}  // namespace ts::ISA
