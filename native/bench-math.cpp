// Accuracy and identity of math.h: runs every function over a sample of all float bit patterns, prints the largest
// error in ulp against double precision and a hash of the result bits, which must not depend on the instruction set.
#include "math.h"

#include <cstdio>

using namespace ts::ISA;

namespace {

double ulps(float got, double want) {
  const float nearest = static_cast<float>(want);
  if (std::isnan(want) || std::isnan(got)) return std::isnan(want) == std::isnan(got) ? 0 : 1e9;
  if (std::isinf(nearest) || std::isinf(got)) return nearest == got ? 0 : 1e9;
  const double scale = std::fmax(std::fabs(want), 1.17549435e-38);
  return std::fabs(got - want) / std::ldexp(1.0, std::ilogb(scale) - 23);
}

template <class F, class G>
void test(const char* name, F f, G exact, float limit) {
  double worst = 0, absolute = 0;
  float at = 0;
  uint64_t hash = 1469598103934665603u;
  alignas(64) float x[16], y[16];
  for (uint64_t pattern = 0; pattern < (uint64_t(1) << 32); pattern += 16 * 211) {
    for (int i = 0; i < 16; i++) {
      const uint32_t b = static_cast<uint32_t>(pattern + 211 * i);
      memcpy(&x[i], &b, 4);
      if (std::isnan(x[i])) x[i] = NAN;
    }
    store(y, f(load(x)));
    for (int i = 0; i < 16; i++) {
      uint32_t b;
      if (std::isnan(y[i])) y[i] = NAN;
      memcpy(&b, &y[i], 4);
      hash = (hash ^ b) * 1099511628211u;
      if (std::fabs(x[i]) > limit) continue;
      const double want = exact(x[i]), error = ulps(y[i], want);
      if (std::fabs(want) < 1e30) absolute = std::fmax(absolute, std::fabs(y[i] - want));
      if (std::fabs(want) >= 1.17549435e-38 && error > worst) worst = error, at = x[i];
      if (std::fabs(want) < 1.17549435e-38 && std::fabs(y[i]) > 1.2e-38) printf("%s(%g) = %g\n", name, x[i], y[i]);
    }
  }
  const float corners[16] = {0.0f, -0.0f, INFINITY, -INFINITY, NAN, 1.0f, -1.0f, 88.72f, 88.73f, -87.3f, -87.4f, 1e-40f, 1e30f, -1e30f, 0.625f, 3.1415927f};
  store(y, f(load(corners)));
  printf("%-8s max %.2f ulp at %-13g absolute %.2g  hash %016llx  |", name, worst, at, absolute, static_cast<unsigned long long>(hash));
  for (int i = 0; i < 16; i++) printf(" %g", y[i]);
  printf("\n");
}

}  // namespace

int main() {
  printf("arguments: 0 -0 inf -inf nan 1 -1 88.72 88.73 -87.3 -87.4 1e-40 1e30 -1e30 0.625 pi\n");
  test("exp", [](V16 x) { return exp(x); }, [](double x) { return std::exp(x); }, INFINITY);
  test("log", [](V16 x) { return log(x); }, [](double x) { return std::log(x); }, INFINITY);
  test("tanh", [](V16 x) { return tanh(x); }, [](double x) { return std::tanh(x); }, INFINITY);
  test("sigmoid", [](V16 x) { return sigmoid(x); }, [](double x) { return 1 / (1 + std::exp(-x)); }, INFINITY);
  test("sin", [](V16 x) { return sin(x); }, [](double x) { return std::sin(x); }, 1e9f);
  test("cos", [](V16 x) { return cos(x); }, [](double x) { return std::cos(x); }, 1e9f);
  alignas(64) float s[16];
  uint32_t seed = 1, hash = 0;
  for (int round = 0; round < 100000; round++) {
    for (float& v : s) { seed = seed * 1664525u + 1013904223u; v = static_cast<float>(static_cast<int32_t>(seed)) * 1e-5f; }
    const V16 v = load(s);
    const float results[2] = {sum(v), max(v)};
    uint32_t b[2];
    memcpy(b, results, 8);
    hash = (hash ^ b[0]) * 16777619u ^ b[1];
    float tree[16];
    memcpy(tree, s, 64);
    for (int width = 8; width; width /= 2) for (int i = 0; i < width; i++) tree[i] += tree[i + width];
    if (tree[0] != results[0]) { printf("sum is not the tree\n"); return 1; }
  }
  printf("sum, max  hash %08x\n", hash);
}
