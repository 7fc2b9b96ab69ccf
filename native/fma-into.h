// acc = fma(x, y, acc) in acc's own register, for tiles of sums that fill the register file. Left to itself, gcc 12 lets
// the sums change places from step to step and, with AVX2, spills two of twelve in every fourth step: their chains then
// wait for memory, and the product runs at 86 % of the FMA peak instead of 97 % (Zen 3, operands in the first-level cache).
#pragma once
#include "simd.h"

namespace ts::ISA {

/** TILE: how many sums are kept at a time. Below ten there is room, and an operand may come straight from memory. */
template <int TILE>
TS_INLINE void fmaInto(vf& acc, vf x, vf y) {
#if defined(__AVX2__) && !defined(__AVX512F__)
  if constexpr (TILE >= 10) {
    asm("vfmadd231ps %2, %1, %0" : "+x"(acc) : "x"(x), "x"(y));
    return;
  }
#endif
  acc = vfma(x, y, acc);
}

}  // namespace ts::ISA
