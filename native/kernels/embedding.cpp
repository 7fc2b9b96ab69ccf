// Rows by index. embedding: out[t] = table[ids[t]].  gatherRows: out[i] = x[rows[i]], each row at most once.
// embeddingBackward: dtable[ids[t]] += dout[t] in the order of t: a task owns columns and walks all tokens.
#include "rows.h"

namespace ts::ISA {
namespace {

/** Ends the program if an index lies outside 0 … limit − 1. */
void checkIndices(Pool& pool, const char* what, const int32_t* index, int64_t n, int64_t limit) {
  for (int64_t i = 0; i < n; i++) {
    if (index[i] >= 0 && index[i] < limit) continue;
    pool.fail("%s: entry %lld is %d, outside of 0 to %lld", what, static_cast<long long>(i), index[i], static_cast<long long>(limit - 1));
  }
}

// t = ids, table, out; a = T, V, C
void embedding(Pool& pool, const Command& c) {
  const int64_t T = c.dim(0), V = c.dim(1), C = c.dim(2);
  const int32_t* ids = c.i32(0);
  checkIndices(pool, "embedding", ids, T, V);
  parallelRows(pool, T, C, [&](int64_t first, int64_t end, int) {
    for (int64_t t = first; t < end; t++) copyRow(c.f(2) + t * C, c.f(1) + ids[t] * C, C);
  });
}

// t = ids, dout, dtable (+=); a = T, V, C
void embeddingBackward(Pool& pool, const Command& c) {
  const int64_t T = c.dim(0), V = c.dim(1), C = c.dim(2);
  const int32_t* ids = c.i32(0);
  checkIndices(pool, "embeddingBackward", ids, T, V);
  const int64_t stripe = 64;
  parallelRows(pool, ceilDiv(C, stripe), T * stripe, [&](int64_t first, int64_t end, int) {
    const int64_t from = first * stripe, width = least(C, end * stripe) - from;
    for (int64_t t = 0; t < T; t++) addRow(c.f(2) + ids[t] * C + from, c.f(1) + t * C + from, width);
  });
}

// t = x, rows, out; a = R, C, ldx
void gatherRows(Pool& pool, const Command& c) {
  const int64_t R = c.dim(0), C = c.dim(1), ldx = c.dim(2);
  const int32_t* rows = c.i32(1);
  parallelRows(pool, R, C, [&](int64_t first, int64_t end, int) {
    for (int64_t i = first; i < end; i++) copyRow(c.f(2) + i * C, c.f(0) + rows[i] * ldx, C);
  });
}

// t = dout, rows, dx; a = R, C, lddx, T, accumulate (0: the other rows become 0)
void gatherRowsBackward(Pool& pool, const Command& c) {
  const int64_t R = c.dim(0), C = c.dim(1), lddx = c.dim(2), T = c.dim(3);
  const bool accumulate = c.flag(4);
  const int32_t* rows = c.i32(1);
  checkIndices(pool, "gatherRowsBackward", rows, R, T);
  float* dx = c.f(2);
  if (!accumulate) {
    parallelRows(pool, T, C, [&](int64_t first, int64_t end, int) {
      for (int64_t t = first; t < end; t++) clearRow(dx + t * lddx, C);
    });
  }
  parallelRows(pool, R, C, [&](int64_t first, int64_t end, int) {
    for (int64_t i = first; i < end; i++) addRow(dx + rows[i] * lddx, c.f(0) + i * C, C);
  });
}

}  // namespace

extern const Entry embedding_kernels[] = {{"embedding", embedding}, {"embeddingBackward", embeddingBackward},
  {"gatherRows", gatherRows}, {"gatherRowsBackward", gatherRowsBackward}, {nullptr, nullptr}};

}  // namespace ts::ISA
