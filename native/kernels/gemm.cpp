// The blocked matrix product (gemm.h) and the kernel `matmul`.
// C is cut into tiles that one task owns. A task walks K in blocks: it packs its own block of B (panels of 16 columns)
// and, where A cannot be read in place, of A, and keeps tiles of C in registers. Nothing is shared between tasks, so
// there is no barrier but the end; packing a block of B once per row of tiles costs a few percent at most.
#include "gemm.h"

#include <type_traits>
#include <utility>

#include "gemm-micro.h"
#include "pool.h"

namespace ts::ISA {
namespace {

constexpr int64_t BLOCK_K = 320;    // a panel group of B stays in the first-level cache: 40 KB (AVX-512), 20 KB (AVX2)
constexpr int64_t BLOCK_M = 12 * MR;  // rows of A that stay in the second-level cache while the panels pass
constexpr int64_t TILE_N = 256, TILE_M = 512;
constexpr int SMALL_M = 4;          // up to here B streams through once, and more panels at a time hide the latency of fma

constexpr int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// ---- the register kernels by rows and panels -----------------------------------------------------------------------

template <int P, bool PACKED, int... R>
constexpr Micro pick(int64_t rows, std::integer_sequence<int, R...>) {
  constexpr Micro table[] = {micro<R + 1, P, PACKED>...};
  return table[rows - 1];
}

template <int P>
Micro kernelFor(int64_t rows, bool packed) {
  using Rows = std::make_integer_sequence<int, MR>;
  return packed ? pick<P, true>(rows, Rows()) : pick<P, false>(rows, Rows());
}

/** For few rows: as many panels as the registers hold. */
constexpr int WIDE = W == 4 ? 2 : 4;
Micro wideKernelFor(int64_t rows) {
  return pick<WIDE, false>(rows, std::make_integer_sequence<int, (W == 16 ? SMALL_M : 1)>());
}
constexpr int64_t WIDE_ROWS = W == 16 ? SMALL_M : 1;

// ---- one task ------------------------------------------------------------------------------------------------------

/** C keeps its old value to the end, so a block of K cannot leave its part there. */
bool isOnto(const Product& p) { return p.accumulate && p.alpha != 1.0f; }

/** Length of the blocks that K is walked in. */
int64_t blockOf(const Product& p) {
  if (p.K <= BLOCK_K || isOnto(p)) return p.K;
  return ceilDiv(ceilDiv(p.K, ceilDiv(p.K, BLOCK_K)), 8) * 8;
}

struct Area { int64_t m0, m1, n0, n1; };

struct Task {
  const Product& p;
  Area area;
  float* bPacked;
  float* aPacked;
  bool packA;

  /** rows × panels at (m, n) of C, over the K block at k0. */
  void strip(Micro kernel, int panels, int64_t m, int64_t rows, int64_t n, int64_t k0, int64_t kc, const float* a, int64_t lda,
             const float* b, int64_t panelStride) const {
    const bool first = k0 == 0, last = k0 + kc == p.K, onto = isOnto(p);
    Strip s{kc, a, lda, b, panelStride, p.c + m * p.ldc + n, p.ldc, !first || (p.accumulate && !onto), onto, last ? p.alpha : 1.0f,
            last && p.bias ? p.bias + n : nullptr};
    const int64_t width = panels * PANEL, columns = p.N - n;
    if (columns >= width) return kernel(s);
    // The tile hangs over the right edge: work on a copy.
    alignas(64) float copy[MR * WIDE * PANEL], bias[WIDE * PANEL];
    const auto columnsOf = [&](int64_t panel) { return columns - panel * PANEL; };
    if (s.fromC || s.ontoC)
      for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < panels; j++) store(copy + r * width + j * PANEL, load(s.c + r * s.ldc + j * PANEL, columnsOf(j)));
    if (s.bias) {
      for (int64_t j = 0; j < panels; j++) store(bias + j * PANEL, load(s.bias + j * PANEL, columnsOf(j)));
      s.bias = bias;
    }
    float* target = s.c;
    s.c = copy;
    s.ldc = width;
    kernel(s);
    for (int64_t r = 0; r < rows; r++)
      for (int64_t j = 0; j < panels; j++) store(target + r * p.ldc + j * PANEL, load(copy + r * width + j * PANEL), columnsOf(j));
  }

  void run() const {
    const int64_t M = area.m1 - area.m0, panels = ceilDiv(area.n1 - area.n0, PANEL);
    if (p.packed && M <= WIDE_ROWS) return stream(panels);
    const int64_t block = blockOf(p);
    int64_t k0 = 0;
    do {  // once even for K = 0: C becomes 0, or bias
      const int64_t kc = smaller(block, p.K - k0);
      const float* b = bPacked;
      int64_t panelStride = kc * PANEL;
      if (p.packed) {
        b = p.packed + area.n0 * p.K + k0 * PANEL;
        panelStride = p.K * PANEL;
      } else {
        for (int64_t j = 0; j < panels; j++) {
          const int64_t n = area.n0 + j * PANEL;
          packPanel(p.b.data + k0 * p.b.row + n * p.b.column, p.b.row, p.b.column, p.N - n, kc, bPacked + j * panelStride);
        }
      }
      const int64_t parts = ceilDiv(M, BLOCK_M);
      for (int64_t i = 0; i < parts; i++) rowsOf(area.m0 + M * i / parts, area.m0 + M * (i + 1) / parts, panels, k0, kc, b, panelStride);
      k0 += kc;
    } while (k0 < p.K);
  }

  /** Rows m0..m1-1 of A in strips of at most MR rows, as even as can be, under all panels of the task. */
  void rowsOf(int64_t m0, int64_t m1, int64_t panels, int64_t k0, int64_t kc, const float* b, int64_t panelStride) const {
    const int64_t rows = m1 - m0, strips = ceilDiv(rows, MR);
    const auto start = [&](int64_t i) { return rows * i / strips; };
    const float* a = p.a.data + m0 * p.a.row + k0 * p.a.column;
    if (packA)
      for (int64_t i = 0; i < strips; i++)
        packStrip(a + start(i) * p.a.row, p.a.row, p.a.column, start(i + 1) - start(i), kc, aPacked + i * kc * MR);
    for (int64_t j = 0; j < panels; j += NP) {
      const int count = static_cast<int>(smaller(NP, panels - j));
      for (int64_t i = 0; i < strips; i++) {
        const int64_t r = start(i), height = start(i + 1) - r;
        const Micro kernel = count == NP ? kernelFor<NP>(height, packA) : kernelFor<1>(height, packA);
        strip(kernel, count, m0 + r, height, area.n0 + j * PANEL, k0, kc, packA ? aPacked + i * kc * MR : a + r * p.a.row, p.a.row,
              b + j * panelStride, panelStride);
      }
    }
  }

  /** A row or a few against packed panels: each panel is read once, from end to end. */
  void stream(int64_t panels) const {
    const int64_t rows = area.m1 - area.m0, panelStride = p.K * PANEL;
    const float* a = p.a.data + area.m0 * p.a.row;
    for (int64_t j = 0; j < panels;) {
      const int64_t left = panels - j, n = area.n0 + j * PANEL;
      const int count = left >= WIDE ? WIDE : left >= NP ? NP : 1;
      const Micro kernel = count == WIDE ? wideKernelFor(rows) : count == NP ? kernelFor<NP>(rows, false) : kernelFor<1>(rows, false);
      strip(kernel, count, area.m0, rows, n, 0, p.K, a, p.a.row, p.packed + n * p.K, panelStride);
      j += count;
    }
  }
};

// ---- cutting into tasks --------------------------------------------------------------------------------------------

struct Grid { int64_t rows, columns, first; };  // tiles down and across, number of the first one

/** Few enough tiles that packing pays, enough that `threads` end together. */
Grid gridOf(const Product& p, int64_t tilesWanted) {
  const int64_t panelGroups = ceilDiv(p.N, NP * PANEL);
  if (p.M <= 0 || p.N <= 0 || (p.K == 0 && p.accumulate && !p.bias)) return {0, 0, 0};
  Grid g{ceilDiv(p.M, TILE_M), ceilDiv(p.N, TILE_N), 0};
  if (g.columns > panelGroups) g.columns = panelGroups;
  while (g.rows * g.columns < tilesWanted) {
    const int64_t height = ceilDiv(p.M, g.rows), width = ceilDiv(p.N, g.columns);
    if (height > width && height > 4 * MR) g.rows *= 2;
    else if (width > 2 * NP * PANEL) g.columns = smaller(2 * g.columns, panelGroups);
    else break;
  }
  return g;
}

/** Whether rows of A are better copied into strips: strided by columns, or rows that compete for the same cache sets. */
bool needsPacking(const Product& p) {
  if (p.a.column != 1) return true;
  return p.a.row % 512 == 0 && p.M > MR;
}

Area areaOf(const Product& p, const Grid& g, int64_t tile) {
  const int64_t i = tile / g.columns, j = tile % g.columns, groups = ceilDiv(p.N, NP * PANEL);
  return {p.M * i / g.rows, p.M * (i + 1) / g.rows, groups * j / g.columns * NP * PANEL,
          smaller(groups * (j + 1) / g.columns * NP * PANEL, p.N)};
}

}  // namespace

void gemm(Pool& pool, const Product* products, int64_t count) {
  Grid* grids = static_cast<Grid*>(pool.scratch(7, sizeof(Grid) * static_cast<size_t>(count)));
  const int64_t wanted = pool.threads() == 1 ? 1 : ceilDiv(4 * pool.threads(), count);
  int64_t tiles = 0;
  for (int64_t i = 0; i < count; i++) {
    grids[i] = gridOf(products[i], wanted);
    grids[i].first = tiles;
    tiles += grids[i].rows * grids[i].columns;
  }
  pool.parallel(tiles, [&](int64_t tile, int thread) {
    int64_t low = 0, high = count - 1;  // the last product whose first tile is not behind this one
    while (low < high) {
      const int64_t middle = (low + high + 1) / 2;
      if (grids[middle].first <= tile) low = middle;
      else high = middle - 1;
    }
    const Product& p = products[low];
    const Area area = areaOf(p, grids[low], tile - grids[low].first);
    const bool packA = needsPacking(p);
    const int64_t kc = blockOf(p);
    const int64_t bFloats = p.packed ? 0 : ceilDiv(area.n1 - area.n0, PANEL) * PANEL * kc;
    const int64_t aFloats = packA ? (BLOCK_M + MR) * kc + PANEL : 0;
    float* scratch = static_cast<float*>(pool.threadScratch(thread, sizeof(float) * static_cast<size_t>(aFloats + bFloats), 3));
    Task{p, area, scratch, scratch + bFloats, packA}.run();
  });
}

void pack(Pool& pool, int64_t N, int64_t K, Matrix b, float* packed) {
  pool.parallel(ceilDiv(N, PANEL), [&](int64_t panel, int) {
    const int64_t n = panel * PANEL;
    packPanel(b.data + n * b.column, b.row, b.column, N - n, K, packed + n * K);
  });
}

namespace {

// t = [A, B, C], a = [M, N, K, lda, ldb, ldc, transA, transB, accumulate, alpha]: C (+)= alpha · op(A) op(B)
void matmul(Pool& pool, const Command& c) {
  Product p{};
  p.M = c.dim(0), p.N = c.dim(1), p.K = c.dim(2);
  p.a = c.flag(6) ? Matrix{c.f(0), 1, c.dim(3)} : Matrix{c.f(0), c.dim(3), 1};
  p.b = c.flag(7) ? Matrix{c.f(1), 1, c.dim(4)} : Matrix{c.f(1), c.dim(4), 1};
  p.c = c.f(2), p.ldc = c.dim(5);
  p.accumulate = c.flag(8), p.alpha = c.scalar(9);
  gemm(pool, p);
}

}  // namespace

extern const Entry gemm_kernels[] = {{"matmul", matmul}, {nullptr, nullptr}};

}  // namespace ts::ISA
