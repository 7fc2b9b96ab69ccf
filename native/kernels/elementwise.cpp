// add: z = x + y.  axpby: y = α x + β y.  fill: x = value.  copyColumns: y (+)= x over the rows of a column view.
#include "rows.h"

namespace ts::ISA {
namespace {

// t = x, y, z; a = n
void add(Pool& pool, const Command& c) {
  const float *x = c.f(0), *y = c.f(1);
  float* z = c.f(2);
  parallelAlong(pool, c.dim(0), [=](int64_t i, auto lanes) TS_LAMBDA { lanes.store(z + i, lanes.load(x + i) + lanes.load(y + i)); });
}

// t = x, y; a = n, α, β; β = 0 does not read y
void axpby(Pool& pool, const Command& c) {
  const float* x = c.f(0);
  float* y = c.f(1);
  const V16 alpha = broadcast(c.scalar(1)), beta = broadcast(c.scalar(2));
  if (c.at(2) == 0) {
    parallelAlong(pool, c.dim(0), [=](int64_t i, auto lanes) TS_LAMBDA { lanes.store(y + i, alpha * lanes.load(x + i)); });
  } else {
    parallelAlong(pool, c.dim(0), [=](int64_t i, auto lanes) TS_LAMBDA { lanes.store(y + i, fma(alpha, lanes.load(x + i), beta * lanes.load(y + i))); });
  }
}

// t = x; a = n, value
void fill(Pool& pool, const Command& c) {
  float* x = c.f(0);
  const V16 value = broadcast(c.scalar(1));
  parallelAlong(pool, c.dim(0), [=](int64_t i, auto lanes) TS_LAMBDA { lanes.store(x + i, value); });
}

// t = x, y; a = T, C, ldx, ldy, accumulate
void copyColumns(Pool& pool, const Command& c) {
  const int64_t T = c.dim(0), C = c.dim(1), ldx = c.dim(2), ldy = c.dim(3);
  const bool accumulate = c.flag(4);
  parallelRows(pool, T, C, [&](int64_t first, int64_t end, int) {
    for (int64_t t = first; t < end; t++) (accumulate ? addRow : copyRow)(c.f(1) + t * ldy, c.f(0) + t * ldx, C);
  });
}

}  // namespace

extern const Entry elementwise_kernels[] = {{"add", add}, {"axpby", axpby}, {"fill", fill}, {"copyColumns", copyColumns}, {nullptr, nullptr}};

}  // namespace ts::ISA
