// mlaKeys, mlaKeysBackward: keys of multi-head latent attention, [k_c of the head ; k_r shared by all heads], and back
// (src/engine/ops/mla-keys.ts). dk_r is the sum over the heads, in order, begun at what is there (accumulate) or at 0.
#include "kernel.h"
#include "pool.h"
#include "simd.h"

namespace ts::ISA {
namespace {

constexpr int64_t TILE = 32;  // positions of a task

// t = kvb, kr, k; a = T, H, nope, v, rope, ldkvb, ldkr
void mlaKeys(Pool& pool, const Command& c) {
  const float *kvb = c.f(0), *kr = c.f(1);
  float* k = c.f(2);
  const int64_t T = c.dim(0), H = c.dim(1), nope = c.dim(2), v = c.dim(3), rope = c.dim(4), ldkvb = c.dim(5), ldkr = c.dim(6), D = nope + rope;
  pool.parallel((T + TILE - 1) / TILE, [&](int64_t tile, int) {
    for (int64_t t = tile * TILE; t < T && t < (tile + 1) * TILE; t++)
      for (int64_t h = 0; h < H; h++) {
        float* to = k + (t * H + h) * D;
        memcpy(to, kvb + t * ldkvb + h * (nope + v), static_cast<size_t>(nope) * 4);
        memcpy(to + nope, kr + t * ldkr, static_cast<size_t>(rope) * 4);
      }
  });
}

// t = dk, dkvb (nope parts overwritten), dkr; a = T, H, nope, v, rope, lddkvb, lddkr, accumulate dkr
void mlaKeysBackward(Pool& pool, const Command& c) {
  const float* dk = c.f(0);
  float *dkvb = c.f(1), *dkr = c.f(2);
  const int64_t T = c.dim(0), H = c.dim(1), nope = c.dim(2), v = c.dim(3), rope = c.dim(4), ldkvb = c.dim(5), ldkr = c.dim(6), D = nope + rope;
  const bool accumulate = c.flag(7);
  pool.parallel((T + TILE - 1) / TILE, [&](int64_t tile, int) {
    for (int64_t t = tile * TILE; t < T && t < (tile + 1) * TILE; t++) {
      const float* from = dk + t * H * D;
      for (int64_t h = 0; h < H; h++) memcpy(dkvb + t * ldkvb + h * (nope + v), from + h * D, static_cast<size_t>(nope) * 4);
      for (int64_t i = 0; i < rope; i += 16) {
        float* to = dkr + t * ldkr + i;
        V16 sum = accumulate ? load(to, rope - i) : zero();
        for (int64_t h = 0; h < H; h++) sum += load(from + h * D + nope + i, rope - i);
        store(to, sum, rope - i);
      }
    }
  });
}

}  // namespace

extern const Entry attention_mla_kernels[] = {{"mlaKeys", mlaKeys}, {"mlaKeysBackward", mlaKeysBackward}, {nullptr, nullptr}};

}  // namespace ts::ISA
