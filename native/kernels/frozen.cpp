// Linear layers whose weight stays in few bits and does not train, exactly: y = x wᵀ (+ bias) and dx = dy w have the bits of
// the same products with the f32 weight (dequantise.h). Everything that trains works on x; w has no gradient.
#include "dequantise.h"

namespace ts::ISA {
namespace {

// t = [x, panels, y, bias?], a = [T, N, K, ldx, ldy, accumulate, type]
void linearFrozen(Pool& pool, const Command& c) {
  const FewBits w{static_cast<const uint8_t*>(c.t[1]), c.dim(2), static_cast<Few>(c.dim(6))};
  const Source source = forwardOf(w);
  Product p{c.dim(0), c.dim(1), c.dim(2), {c.f(0), c.dim(3), 1}, {}, c.f(2), c.dim(4), c.flag(5), c.f(3)};
  p.source = &source;
  gemm(pool, p);
}

// t = [dy, panels, dx], a = [T, N, K, lddy, lddx, accumulate, type]
void linearFrozenBackwardInput(Pool& pool, const Command& c) {
  const FewBits w{static_cast<const uint8_t*>(c.t[1]), c.dim(2), static_cast<Few>(c.dim(6))};
  const Source source = backwardOf(w);
  Product p{c.dim(0), c.dim(2), c.dim(1), {c.f(0), c.dim(3), 1}, {}, c.f(2), c.dim(4), c.flag(5)};
  p.source = &source;
  gemm(pool, p);
}

}  // namespace

extern const Entry frozen_kernels[] = {{"linearFrozen", linearFrozen}, {"linearFrozenBackwardInput", linearFrozenBackwardInput}, {nullptr, nullptr}};

}  // namespace ts::ISA
