// Matrix products for kernels: C (M, N) = A (M, K) · B (K, N), any strides, several products in one parallel call.
// Every element is one chain of fma over k = 0…K−1 in increasing order, from 0 or (accumulate) from what C holds; alpha
// and bias are applied once, after the chain. Blocking, threads and instruction set cannot change it.
#pragma once
#include <cstdint>

#include "kernel.h"

namespace ts::ISA {

struct Matrix {
  const float* data;
  int64_t row, column;  // strides in elements; one of them is 1
};

/** A B that is nowhere as f32: fills panels [ceil(columns / 16)][kc][16] from row k0 and column n0 (a multiple of 16) on. */
struct Source {
  void (*fill)(const void* context, int64_t k0, int64_t kc, int64_t n0, int64_t columns, float* to);
  const void* context;
};

struct Product {
  int64_t M, N, K;
  Matrix a;                       // (M, K)
  Matrix b;                       // (K, N); unused where `packed` or `source` is given
  float* c;                       // (M, N)
  int64_t ldc;
  bool accumulate = false;
  const float* bias = nullptr;    // (N): added last
  float alpha = 1.0f;             // c = alpha · chain; with accumulate and alpha other than 1, c = fma(alpha, chain from 0, c)
  const float* packed = nullptr;  // B in panels, see pack()
  const Source* source = nullptr; // B made while it is packed
};

/** Computes all products, their tiles in one job. Call it outside of tiles. They must not overlap in C. */
void gemm(Pool& pool, const Product* products, int64_t count);
inline void gemm(Pool& pool, const Product& product) { gemm(pool, &product, 1); }

/** Panels of 16 columns: B (K, N) as [ceil(N / 16)][K][16], zeros in the columns behind N. */
void pack(Pool& pool, int64_t N, int64_t K, Matrix b, float* packed);
constexpr int64_t packedSize(int64_t N, int64_t K) { return (N + 15) / 16 * 16 * K; }

}  // namespace ts::ISA
