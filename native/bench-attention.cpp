// Attention: `bench-attention-ISA [threads] [train | decode]` prints GFLOP/s of the unmasked pairs (model FLOP, as
// attention.ts counts them; the scores that backward computes again are on top) and their share of the FMA peak that the
// same run measures, then decoding steps over the paged cache with the bytes of it they read a second. Medians.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "kernel.h"
#include "memory.h"
#include "pool.h"
#include "simd.h"

namespace ts::ISA {
extern const Entry attention_kernels[];
extern const Entry attention_backward_kernels[];
extern const Entry attention_cached_kernels[];

namespace {

Pool pool(1);
uint32_t seed = 1;

float random1() {
  seed = seed * 1664525u + 1013904223u;
  return static_cast<float>(static_cast<int32_t>(seed)) * 4.656612873e-10f;
}

struct Array {
  Memory memory;
  float* data;
  explicit Array(int64_t n) : memory(static_cast<size_t>(n + 64) * 4), data(reinterpret_cast<float*>(memory.at(0))) {
    for (int64_t i = 0; i < n; i++) data[i] = random1();
  }
};

void call(const char* name, std::vector<const void*> t, std::vector<double> a) {
  const Command c{const_cast<void* const*>(t.data()), a.data(), static_cast<int>(t.size()), static_cast<int>(a.size())};
  for (const Entry* table : {attention_kernels, attention_backward_kernels, attention_cached_kernels})
    for (const Entry* e = table; e->name; e++)
      if (!strcmp(e->name, name)) return e->kernel(pool, c);
}

/** Seconds: with one thread those of the processor, which other processes disturb less. */
double now() {
#if defined(CLOCK_PROCESS_CPUTIME_ID)
  if (pool.threads() == 1) {
    timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
  }
#endif
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/** GFLOP/s of independent fma chains on all threads at once. */
double peak() {
  constexpr int CHAINS = W == 16 ? 24 : 12;
  constexpr int64_t STEPS = 40000;
  const double start = now();
  pool.parallel(pool.threads(), [](int64_t, int) {
    vf x[CHAINS], a = vset(0.999f), b = vset(1e-3f);
#pragma GCC unroll 24
    for (int j = 0; j < CHAINS; j++) x[j] = vset(random1());
    for (int64_t i = 0; i < STEPS; i++) {
#pragma GCC unroll 24
      for (int j = 0; j < CHAINS; j++) x[j] = vfma(x[j], a, b);
    }
    vf total = x[0];
#pragma GCC unroll 24
    for (int j = 1; j < CHAINS; j++) total += x[j];
    volatile float sink = total[0];
    (void)sink;
  });
  return 2e-9 * W * CHAINS * STEPS * pool.threads() / (now() - start);
}

struct Measured { double seconds, share; };  // medians; the share is of `flop` at the peak before and after

template <class F>
Measured measure(double flop, F work) {
  work();
  const double once = now();
  work();
  const double estimate = std::max(now() - once, 1e-7);
  const int inner = std::max(1, static_cast<int>(8e-3 / estimate));
  std::vector<double> seconds, shares;
  for (int r = 0; r < 11; r++) {
    const double before = peak(), start = now();
    for (int i = 0; i < inner; i++) work();
    seconds.push_back((now() - start) / inner);
    shares.push_back(1e-9 * flop / seconds.back() / std::max(before, peak()));
  }
  std::sort(seconds.begin(), seconds.end());
  std::sort(shares.begin(), shares.end());
  return {seconds[seconds.size() / 2], shares[shares.size() / 2]};
}

void training(int64_t documents, int64_t length, int64_t Hq, int64_t Hkv, int64_t D, int64_t Dv, bool fused) {
  const int64_t T = documents * length, pairs = documents * length * (length + 1) / 2;
  const int64_t ldq = fused ? Hq * D + Hkv * (D + Dv) : Hq * D, ldk = fused ? ldq : Hkv * D, ldv = fused ? ldq : Hkv * Dv;
  Array q(T * ldq), k(T * ldk), v(T * ldv), out(T * Hq * Dv), lse(T * Hq), dout(T * Hq * Dv), dq(T * ldq), dk(T * ldk), dv(T * ldv), delta(T * Hq);
  std::vector<int32_t> starts;
  for (int64_t d = 0; d <= documents; d++) starts.push_back(static_cast<int32_t>(d * length));
  const std::vector<double> a = {double(documents), double(Hq), double(Hkv), double(D), double(Dv), 1 / std::sqrt(double(D)), 0, double(ldq), double(D),
                                 double(ldk), double(D), double(ldv), double(Dv), double(Hq * Dv), double(T), double(pairs)};
  const double flop = 2.0 * pairs * Hq * (D + Dv);
  const Measured f = measure(flop, [&] { call("attention", {q.data, k.data, v.data, out.data, lse.data, starts.data()}, a); });
  const Measured b = measure(2 * flop, [&] { call("attentionBackward", {q.data, k.data, v.data, out.data, lse.data, starts.data(), dout.data, dq.data, dk.data, dv.data, delta.data}, a); });
  printf("%3lld x %4lld  heads %lld/%lld  D %3lld %3lld %s | fwd %7.3f ms %6.1f GFLOP/s %5.1f %% | bwd %7.3f ms %6.1f GFLOP/s %5.1f %% (%5.1f %% with scores)\n",
         (long long)documents, (long long)length, (long long)Hq, (long long)Hkv, (long long)D, (long long)Dv, fused ? "fused" : "     ", 1e3 * f.seconds, 1e-9 * flop / f.seconds,
         100 * f.share, 1e3 * b.seconds, 2e-9 * flop / b.seconds, 100 * b.share, 100 * b.share * (4.0 * (D + Dv) + 2 * D) / (4.0 * (D + Dv)));
  fflush(stdout);
}

/** `rows` sequences with a context of `length`; `shared` positions of it are the same pages for all. */
void decoding(int64_t rows, int64_t length, int64_t shared, int64_t Hq, int64_t Hkv, int64_t D) {
  const int64_t blocks = (length + 63) / 64, common = shared / 64, pages = common + rows * (blocks - common);
  Array q(rows * Hq * D), keys(pages * Hkv * D * 64), values(pages * Hkv * D * 64), out(rows * Hq * D);
  std::vector<int32_t> table, sequences, positions;
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t b = 0; b < blocks; b++) table.push_back(static_cast<int32_t>(b < common ? b : common + r + (b - common) * rows));
    sequences.push_back(static_cast<int32_t>(r));
    positions.push_back(static_cast<int32_t>(length - 1));
  }
  const std::vector<double> a = {double(rows), double(Hq), double(Hkv), double(D), double(D), 1 / std::sqrt(double(D)), 0, double(Hq * D), double(D), double(Hq * D), double(blocks)};
  const double flop = 4.0 * rows * Hq * length * D, read = 8.0 * (common * 64 + rows * (length - common * 64)) * Hkv * D;
  const Measured m = measure(flop, [&] { call("attentionCached", {q.data, keys.data, values.data, table.data(), sequences.data(), positions.data(), out.data}, a); });
  printf("decode %3lld rows  context %4lld (%4lld shared)  heads %lld/%lld  D %3lld | %8.1f us  %6.1f GB/s  %6.1f GFLOP/s %5.1f %%\n", (long long)rows, (long long)length,
         (long long)shared, (long long)Hq, (long long)Hkv, (long long)D, 1e6 * m.seconds, 1e-9 * read / m.seconds, 1e-9 * flop / m.seconds, 100 * m.share);
  fflush(stdout);
}

int speed(int threads, const std::string& filter) {
  pool.setThreads(threads);
  const auto turn = pool.enter();
  printf("%d thread(s), peak %.1f GFLOP/s\n", threads, peak());
  if (filter != "decode") {
    training(8, 256, 9, 3, 64, 64, false);
    training(8, 256, 9, 3, 64, 64, true);
    training(8, 256, 3, 3, 64, 64, false);
    training(8, 256, 3, 1, 32, 32, false);
    training(8, 256, 4, 1, 48, 48, false);
    training(2, 256, 3, 1, 64, 64, false);
    training(1, 256, 1, 1, 64, 64, false);
    training(1, 2048, 9, 3, 64, 64, false);
    training(8, 256, 4, 4, 96, 64, false);
    training(64, 32, 9, 3, 64, 64, false);
    training(2, 256, 16, 16, 64, 64, true);
  }
  if (filter != "train") {
    for (const int64_t length : {50, 500, 2000})
      for (const int64_t rows : {1, 8, 64}) decoding(rows, length, 0, 9, 3, 64);
    decoding(64, 500, 384, 9, 3, 64);
    decoding(64, 500, 384, 3, 3, 32);
    decoding(8, 500, 0, 4, 4, 64);
    decoding(256, 200, 128, 3, 1, 32);
  }
  return 0;
}

}  // namespace
}  // namespace ts::ISA

int main(int argc, char** argv) { return ts::ISA::speed(argc > 1 ? atoi(argv[1]) : 1, argc > 2 ? argv[2] : ""); }
