// Linear layers whose weight stays in few bits and does not train, exactly: y = x wᵀ (+ bias) and dx = dy w have the bits of
// the same products with the f32 weight (dequantise.h). Everything that trains works on x; w has no gradient.
#include "dequantise.h"
#include "pool.h"

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

// ---- experts -------------------------------------------------------------------------------------------------------

/** One product per expert, with its own weight, in one parallel job: product(rows, first row, source) says the rest. */
template <class F>
void perExpert(Pool& pool, const Command& c, Source (*sourceOf)(const FewBits&), F product) {
  const int64_t E = c.dim(0), N = c.dim(1), K = c.dim(2);
  const Few type = static_cast<Few>(c.dim(7));
  const int64_t each = (N + 15) / 16 * panelBytes(type, K);
  const int32_t* offsets = c.i32(3);
  struct Expert { FewBits weight; Source source; };
  Expert* experts = static_cast<Expert*>(pool.scratch(5, sizeof(Expert) * static_cast<size_t>(E)));
  Product* products = static_cast<Product*>(pool.scratch(6, sizeof(Product) * static_cast<size_t>(E)));
  for (int64_t e = 0; e < E; e++) {
    const int64_t from = offsets[e], rows = offsets[e + 1] - from;
    if (rows < 0) pool.fail("offsets decrease at expert %lld", static_cast<long long>(e));
    experts[e].weight = {static_cast<const uint8_t*>(c.t[1]) + e * each, K, type};
    experts[e].source = sourceOf(experts[e].weight);
    products[e] = product(rows, from);
    products[e].source = &experts[e].source;
  }
  gemm(pool, products, E);
}

// t = [x, panels of E weights, y, offsets (E + 1)], a = [E, N, K, ldx, ldy, accumulate, S, type]
void groupedFrozen(Pool& pool, const Command& c) {
  const int64_t N = c.dim(1), K = c.dim(2), ldx = c.dim(3), ldy = c.dim(4);
  perExpert(pool, c, forwardOf, [&](int64_t rows, int64_t from) {
    return Product{rows, N, K, {c.f(0) + from * ldx, ldx, 1}, {}, c.f(2) + from * ldy, ldy, c.flag(5)};
  });
}

// t = [dy, panels of E weights, dx, offsets (E + 1)], a = [E, N, K, lddy, lddx, accumulate, S, type]
void groupedFrozenBackwardInput(Pool& pool, const Command& c) {
  const int64_t N = c.dim(1), K = c.dim(2), lddy = c.dim(3), lddx = c.dim(4);
  perExpert(pool, c, backwardOf, [&](int64_t rows, int64_t from) {
    return Product{rows, K, N, {c.f(0) + from * lddy, lddy, 1}, {}, c.f(2) + from * lddx, lddx, c.flag(5)};
  });
}

}  // namespace

extern const Entry frozen_kernels[] = {{"linearFrozen", linearFrozen}, {"linearFrozenBackwardInput", linearFrozenBackwardInput},
  {"groupedFrozen", groupedFrozen}, {"groupedFrozenBackwardInput", groupedFrozenBackwardInput}, {nullptr, nullptr}};

}  // namespace ts::ISA
