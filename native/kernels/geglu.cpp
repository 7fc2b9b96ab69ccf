// GeGLU: h = gate · σ(v) · up with v = 2√(2/π) (gate + 0.044715 gate³), which is GELU in its tanh form times up; gate and up
// stand side by side in rows of 2F.
//   dgate = dh · up · σ · (1 + gate · (1 − σ) · v'),  dup = dh · gate · σ.
#include "gated.h"

namespace ts::ISA {
namespace {

constexpr float SLOPE = 1.5957691216057308f;  // 2√(2/π)
constexpr float CUBIC = 0.044715f;

struct Gelu {
  static TS_INLINE GateValues at(V16 z) {
    const V16 one = broadcast(1.0f), square = z * z, sigma = sigmoid(z * fma(square, broadcast(SLOPE * CUBIC), broadcast(SLOPE)));
    const V16 steep = fma(square, broadcast(3 * SLOPE * CUBIC), broadcast(SLOPE));
    return {z * sigma, sigma, fma(z * (one - sigma), steep, one)};
  }
};

}  // namespace

extern const Entry geglu_kernels[] = {{"geglu", gatedForward<Gelu>}, {"gegluBackward", gatedBackward<Gelu>}, {nullptr, nullptr}};

}  // namespace ts::ISA
