// SwiGLU: h = gate · σ(gate) · up; gate and up stand side by side in rows of 2F.
//   dgate = dh · up · σ · (1 + gate · (1 − σ)),  dup = dh · gate · σ.
#include "gated.h"

namespace ts::ISA {
namespace {

struct Swish {
  static TS_INLINE GateValues at(V16 z) {
    const V16 one = broadcast(1.0f), below = one + exp(-z), sigma = one / below;
    return {z / below, sigma, fma(z, one - sigma, one)};
  }
};

}  // namespace

extern const Entry swiglu_kernels[] = {{"swiglu", gatedForward<Swish>}, {"swigluBackward", gatedBackward<Swish>}, {nullptr, nullptr}};

}  // namespace ts::ISA
