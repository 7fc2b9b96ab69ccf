// Matrix products: `bench-gemm-ISA test` compares every kernel bit by bit with plain chains of fma, over edge shapes and
// numbers of threads; `bench-gemm-ISA [threads] [filter]` prints GFLOP/s and the share of the FMA peak that the same run
// measures, the median over rounds that alternate between peak and product.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "gemm.h"
#include "memory.h"
#include "pool.h"
#include "simd.h"

namespace ts::ISA {
extern const Entry linear_kernels[];
extern const Entry gemm_kernels[];
}

namespace ts::ISA {
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
  for (const Entry* table : {linear_kernels, gemm_kernels})
    for (const Entry* e = table; e->name; e++)
      if (!strcmp(e->name, name)) return e->kernel(pool, c);
  printf("no kernel %s\n", name);
  exit(1);
}

// ---- exactness -----------------------------------------------------------------------------------------------------

int64_t failures = 0, checks = 0;

void expect(const std::string& what, const float* got, const std::vector<float>& want) {
  checks++;
  for (size_t i = 0; i < want.size(); i++) {
    if (!memcmp(got + i, &want[i], 4)) continue;
    if (failures++ < 10) printf("%s, element %zu: %.9g, must be %.9g\n", what.c_str(), i, got[i], want[i]);
    return;
  }
}

/** C (+)= A B by plain chains; a(m, k), b(k, n) are functions. */
template <class A, class B>
std::vector<float> plain(const float* before, size_t size, int64_t M, int64_t N, int64_t K, int64_t ldc, bool accumulate, A a, B b,
                         const float* bias = nullptr, float alpha = 1) {
  std::vector<float> c(before, before + size);
  for (int64_t m = 0; m < M; m++)
    for (int64_t n = 0; n < N; n++) {
      float& target = c[m * ldc + n];
      const bool onto = accumulate && alpha != 1;
      float s = accumulate && !onto ? target : 0;
      for (int64_t k = 0; k < K; k++) s = fma1(a(m, k), b(k, n), s);
      target = onto ? fma1(alpha, s, target) : alpha * s;
      if (bias) target += bias[n];
    }
  return c;
}

void testShape(int64_t M, int64_t N, int64_t K, bool accumulate, int64_t extra) {
  const int64_t ldx = K + extra, ldy = N + extra;
  const double acc = accumulate;
  Array x(M * ldx), w(N * K), y(M * ldy), bias(N), packed(packedSize(N, K)), turned(packedSize(K, N));
  const std::string label = " " + std::to_string(M) + "x" + std::to_string(N) + "x" + std::to_string(K) + (accumulate ? " acc" : "") +
                            " +" + std::to_string(extra) + ", threads " + std::to_string(pool.threads());
  const auto fresh = [](const Array& a, size_t n) { return std::vector<float>(a.data, a.data + n); };
  const double m = M, n = N, k = K, lx = ldx, ly = ldy;
  const auto xAt = [&](int64_t i, int64_t j) { return x.data[i * ldx + j]; };
  const auto dyAt = [&](int64_t i, int64_t j) { return y.data[i * ldy + j]; };

  std::vector<float> out = fresh(y, M * ldy);
  const auto want = plain(y.data, M * ldy, M, N, K, ldy, accumulate, xAt, [&](int64_t i, int64_t j) { return w.data[j * K + i]; }, bias.data);
  call("linear", {x.data, w.data, out.data(), bias.data}, {m, n, k, lx, ly, acc});
  expect("linear" + label, out.data(), want);
  out = fresh(y, M * ldy);
  call("packLinear", {w.data, packed.data}, {n, k, 0});
  call("linearPacked", {x.data, packed.data, out.data(), bias.data}, {m, n, k, lx, ly, acc});
  expect("linearPacked" + label, out.data(), want);

  out = fresh(x, M * ldx);
  call("linearBackwardInput", {y.data, w.data, out.data()}, {m, n, k, ly, lx, acc});
  const auto wantInput = plain(x.data, M * ldx, M, K, N, ldx, accumulate, dyAt, [&](int64_t i, int64_t j) { return w.data[i * K + j]; });
  expect("linearBackwardInput" + label, out.data(), wantInput);
  out = fresh(x, M * ldx);
  call("packLinear", {w.data, turned.data}, {n, k, 1});
  call("linearPacked", {y.data, turned.data, out.data(), nullptr}, {m, k, n, ly, lx, acc});
  expect("linearPacked, turned" + label, out.data(), wantInput);

  out = fresh(w, N * K);
  std::vector<float> sums = fresh(bias, N);
  call("linearBackwardWeight", {y.data, x.data, out.data(), sums.data()}, {m, n, k, ly, lx, acc});
  expect("linearBackwardWeight" + label, out.data(),
         plain(w.data, N * K, N, K, M, K, accumulate, [&](int64_t i, int64_t j) { return dyAt(j, i); }, xAt));
  expect("dbias" + label, sums.data(), plain(bias.data, N, 1, N, M, N, accumulate, [](int64_t, int64_t) { return 1.0f; }, dyAt));

  for (int trans = 0; trans < 4; trans++) {
    const bool ta = trans & 1, tb = trans & 2;
    const int64_t lda = (ta ? M : K) + extra, ldb = (tb ? K : N) + extra;
    Array a((ta ? K : M) * lda), b((tb ? N : K) * ldb);
    const float alpha = trans == 0 ? 1.0f : 0.37f;
    out = fresh(y, M * ldy);
    call("matmul", {a.data, b.data, out.data()}, {m, n, k, double(lda), double(ldb), ly, double(ta), double(tb), acc, alpha});
    expect("matmul" + std::to_string(trans) + label, out.data(),
           plain(y.data, M * ldy, M, N, K, ldy, accumulate, [&](int64_t i, int64_t j) { return ta ? a.data[j * lda + i] : a.data[i * lda + j]; },
                 [&](int64_t i, int64_t j) { return tb ? b.data[j * ldb + i] : b.data[i * ldb + j]; }, nullptr, alpha));
  }
}

void testGrouped(int64_t N, int64_t K, std::vector<int32_t> offsets, bool accumulate) {
  const int64_t E = static_cast<int64_t>(offsets.size()) - 1, M = offsets.back();
  const double e = E, n = N, k = K, acc = accumulate;
  Array x(M * K), w(E * N * K), y(M * N);
  std::vector<float> out, want(y.data, y.data + M * N), wantX(x.data, x.data + M * K), wantW(w.data, w.data + E * N * K);
  for (int64_t i = 0; i < E; i++) {
    const int64_t from = offsets[i], rows = offsets[i + 1] - from;
    const float *xe = x.data + from * K, *we = w.data + i * N * K, *ye = y.data + from * N;
    const auto xAt = [&](int64_t r, int64_t j) { return xe[r * K + j]; };
    const auto yAt = [&](int64_t r, int64_t j) { return ye[r * N + j]; };
    const auto a = plain(ye, rows * N, rows, N, K, N, accumulate, xAt, [&](int64_t r, int64_t j) { return we[j * K + r]; });
    const auto b = plain(xe, rows * K, rows, K, N, K, accumulate, yAt, [&](int64_t r, int64_t j) { return we[r * K + j]; });
    const auto c = plain(we, N * K, N, K, rows, K, accumulate, [&](int64_t r, int64_t j) { return yAt(j, r); }, xAt);
    std::copy(a.begin(), a.end(), want.begin() + from * N);
    std::copy(b.begin(), b.end(), wantX.begin() + from * K);
    std::copy(c.begin(), c.end(), wantW.begin() + i * N * K);
  }
  out.assign(y.data, y.data + M * N);
  call("groupedLinear", {x.data, w.data, out.data(), offsets.data()}, {e, n, k, k, n, acc, double(M)});
  expect("groupedLinear", out.data(), want);
  out.assign(x.data, x.data + M * K);
  call("groupedLinearBackwardInput", {y.data, w.data, out.data(), offsets.data()}, {e, n, k, n, k, acc, double(M)});
  expect("groupedLinearBackwardInput", out.data(), wantX);
  out.assign(w.data, w.data + E * N * K);
  call("groupedLinearBackwardWeight", {y.data, x.data, out.data(), offsets.data()}, {e, n, k, n, k, acc, double(M)});
  expect("groupedLinearBackwardWeight", out.data(), wantW);
}

int test() {
  const int64_t shapes[][3] = {{1, 1, 1}, {1, 16, 16}, {1, 129, 65}, {2, 33, 7}, {3, 100, 321}, {4, 64, 64}, {5, 15, 640}, {6, 17, 12},
                               {13, 31, 33}, {14, 32, 48}, {15, 47, 319}, {16, 96, 96}, {29, 65, 700}, {57, 80, 20}, {170, 33, 512},
                               {331, 290, 40}, {530, 48, 24}, {64, 530, 30}, {20, 40, 1024}, {0, 5, 3}, {1100, 70, 9}, {500, 96, 1300}, {30, 32, 1019}};
  for (const int threads : {1, 2, 3}) {
    pool.setThreads(threads);
    const auto turn = pool.enter();
    for (const auto& s : shapes)
      for (const bool accumulate : {false, true})
        for (const int64_t extra : {0, 5}) testShape(s[0], s[1], s[2], accumulate, extra);
    for (const bool accumulate : {false, true}) {
      testGrouped(40, 24, {0, 0, 5, 5, 70, 71, 71}, accumulate);
      testGrouped(33, 400, {0, 350, 400}, accumulate);
      testGrouped(16, 16, {0, 0}, accumulate);
    }
  }
  printf("%lld checks, %lld failed\n", static_cast<long long>(checks), static_cast<long long>(failures));
  return failures != 0;
}

// ---- speed ---------------------------------------------------------------------------------------------------------

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
    for (int j = 0; j < CHAINS; j++) {
      x[j] = vset(1.0f);
#if defined(__x86_64__)
      asm volatile("" : "+v"(x[j]));  // otherwise the compiler sees that all chains are the same
#else
      asm volatile("" : "+w"(x[j]));
#endif
    }
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

template <class F>
void measure(const char* name, int64_t M, int64_t N, int64_t K, F work) {
  const double flop = 2.0 * M * N * K;
  work();
  const double once = now();
  work();
  const double estimate = std::max(now() - once, 1e-7);
  const int inner = std::max(1, static_cast<int>(4e-3 / estimate)), rounds = std::clamp(static_cast<int>(0.15 / (estimate * inner)), 3, 15);
  std::vector<double> rates, shares;
  for (int r = 0; r < rounds; r++) {
    const double before = peak();
    const double start = now();
    for (int i = 0; i < inner; i++) work();
    const double rate = 1e-9 * flop * inner / (now() - start);
    rates.push_back(rate);
    shares.push_back(rate / std::max(before, peak()));
  }
  std::sort(rates.begin(), rates.end());
  std::sort(shares.begin(), shares.end());
  const double rate = rates[rates.size() / 2];
  printf("%-22s %5lld %5lld %5lld  %7.1f GFLOP/s  %5.1f %%  (best %5.1f %%)  %8.3f ms  %6.1f GB/s of weights\n", name, static_cast<long long>(M),
         static_cast<long long>(N), static_cast<long long>(K), rate, 100 * shares[shares.size() / 2], 100 * shares.back(), 1e-6 * flop / rate,
         4e-9 * N * K / (1e-9 * flop / rate));
  fflush(stdout);
}

int speed(int threads, const std::string& filter) {
  pool.setThreads(threads);
  const auto turn = pool.enter();
  printf("%d thread(s), peak %.1f GFLOP/s\n", threads, peak());
  const auto wanted = [&](const char* name) { return filter.empty() || std::string(name).find(filter) != std::string::npos; };
  const int64_t training[][3] = {{2048, 96, 96}, {2048, 64, 64}, {2048, 256, 96}, {1024, 192, 192}, {2048, 288, 288}, {2048, 768, 288},
                                 {2048, 576, 576}, {2048, 1536, 576}, {2048, 576, 1536}, {512, 576, 576}, {2048, 1024, 1024}, {4096, 512, 512},
                                 {256, 49152, 576}};
  for (const auto& s : training) {
    const int64_t M = s[0], N = s[1], K = s[2];
    Array x(M * K), w(N * K), y(M * N);
    const double m = M, n = N, k = K;
    if (wanted("linear")) measure("linear", M, N, K, [&] { call("linear", {x.data, w.data, y.data, nullptr}, {m, n, k, k, n, 0}); });
    if (wanted("backwardInput")) measure("backwardInput", M, N, K, [&] { call("linearBackwardInput", {y.data, w.data, x.data}, {m, n, k, n, k, 0}); });
    if (wanted("backwardWeight")) measure("backwardWeight", M, N, K, [&] { call("linearBackwardWeight", {y.data, x.data, w.data, nullptr}, {m, n, k, n, k, 0}); });
  }
  if (wanted("packed")) {
    const int64_t decoding[][2] = {{576, 576}, {1536, 576}, {576, 1536}, {49152, 576}, {4096, 4096}};
    for (const auto& s : decoding) {
      const int64_t N = s[0], K = s[1];
      Array x(256 * K), w(N * K), packed(packedSize(N, K)), y(256 * N);
      const double n = N, k = K;
      call("packLinear", {w.data, packed.data}, {n, k, 0});
      for (const int64_t M : {1, 2, 4, 8, 16, 64, 256})
        measure("packed", M, N, K, [&] { call("linearPacked", {x.data, packed.data, y.data, nullptr}, {double(M), n, k, k, n, 0}); });
    }
  }
  if (wanted("grouped")) {
    const int64_t E = 16, N = 256, K = 288, M = 2048;
    Array x(M * K), w(E * N * K), y(M * N);
    std::vector<int32_t> offsets(E + 1);
    for (int64_t i = 0; i <= E; i++) offsets[i] = static_cast<int32_t>(M * i * i / (E * E));
    const double e = E, n = N, k = K;
    measure("grouped", M, N, K, [&] { call("groupedLinear", {x.data, w.data, y.data, offsets.data()}, {e, n, k, k, n, 0, double(M)}); });
    measure("groupedInput", M, N, K, [&] { call("groupedLinearBackwardInput", {y.data, w.data, x.data, offsets.data()}, {e, n, k, n, k, 0, double(M)}); });
    measure("groupedWeight", M, N, K, [&] { call("groupedLinearBackwardWeight", {y.data, x.data, w.data, offsets.data()}, {e, n, k, n, k, 0, double(M)}); });
  }
  return 0;
}

}  // namespace
}  // namespace ts::ISA

int main(int argc, char** argv) {
  if (argc > 1 && !strcmp(argv[1], "test")) return ts::ISA::test();
  return ts::ISA::speed(argc > 1 ? atoi(argv[1]) : 1, argc > 2 ? argv[2] : "");
}
