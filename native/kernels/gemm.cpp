// The blocked matrix product (gemm.h) and the kernel `matmul`.
// C is cut into tiles that one task owns. A task walks K in blocks: it packs its own block of B (panels of 16 columns)
// and, where A cannot be read in place, of A, and keeps tiles of C in registers. Nothing is shared between tasks, so
// there is no barrier but the end; packing a block of B once per row of tiles costs a few percent at most.
#include "gemm.h"

#include <type_traits>
#include <utility>

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

#include "gemm-micro.h"
#include "pool.h"

namespace ts::ISA {
namespace {

constexpr int64_t TILE_M = 512;

/** A block of B, blockK() × tileN(), stays in the second-level cache, while strips of A pass through the first. */
int64_t cacheBytes() {
#if defined(_SC_LEVEL2_CACHE_SIZE)
  static const int64_t bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
  if (bytes > 0) return bytes;
#endif
  return 1 << 20;
}
int64_t blockK() { return cacheBytes() >= 1 << 20 ? 640 : 384; }
int64_t tileN() {
  const int64_t columns = cacheBytes() * 2 / 3 / (4 * blockK()) / 64 * 64;
  return columns < 128 ? 128 : columns > 512 ? 512 : columns;
}

/** So many strips are packed together: where A lies across the strips, ten lines of memory at a time. */
constexpr int64_t STRIPS = 168 / MR;
constexpr int SMALL_M = 4;          // up to here B streams through once, and more panels at a time hide the latency of fma

constexpr int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// ---- the register kernels by rows and panels -----------------------------------------------------------------------

template <int P, A LAYOUT, int... R>
constexpr Micro pick(int64_t rows, std::integer_sequence<int, R...>) {
  constexpr Micro table[] = {micro<R + 1, P, LAYOUT>...};
  return table[rows - 1];
}

template <int P>
Micro kernelFor(int64_t rows, A layout) {
  using Rows = std::make_integer_sequence<int, MR>;
  return layout == A::ROWS ? pick<P, A::ROWS>(rows, Rows()) : pick<P, A::COLUMNS>(rows, Rows());
}

/** For few rows: as many panels as the registers hold. */
constexpr int WIDE = W == 4 ? 2 : 4;
Micro wideKernelFor(int64_t rows) {
  return pick<WIDE, A::ROWS>(rows, std::make_integer_sequence<int, (W == 16 ? SMALL_M : 1)>());
}
constexpr int64_t WIDE_ROWS = W == 16 ? SMALL_M : 1;

// ---- one task ------------------------------------------------------------------------------------------------------

/** C keeps its old value to the end, so a block of K cannot leave its part there. */
bool isOnto(const Product& p) { return p.accumulate && p.alpha != 1.0f; }

/** Length of the blocks that K is walked in. */
int64_t blockOf(const Product& p) {
  if (p.K <= blockK() || isOnto(p)) return p.K;
  return ceilDiv(ceilDiv(p.K, ceilDiv(p.K, blockK())), 8) * 8;
}

struct Area { int64_t m0, m1, n0, n1; };

/** A as the register kernel reads it. */
struct Rows {
  const float* a;
  int64_t ld;
  A layout;
};

struct Task {
  const Product& p;
  Area area;
  float* bPacked;
  float* aPacked;
  bool packA;

  /** rows × panels at (m, n) of C, over the K block at k0. */
  void strip(Micro kernel, int panels, int64_t m, int64_t n, int64_t rows, int64_t k0, int64_t kc, const Rows& a, const float* b,
             int64_t panelStride, const Ahead& aheadA, const Ahead& aheadB) const {
    const bool first = k0 == 0, last = k0 + kc == p.K, onto = isOnto(p);
    float* c = p.c + m * p.ldc + n;
    Strip s{kc, a.a, a.ld, b, panelStride, c, p.ldc, !first || (p.accumulate && !onto), onto, last ? p.alpha : 1.0f,
            last && p.bias ? p.bias + n : nullptr, c + panels * PANEL, aheadA, aheadB};
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
        packPanels(p.b.data + k0 * p.b.row + area.n0 * p.b.column, p.b.row, p.b.column, area.n1 - area.n0, kc, bPacked);
      }
      const int64_t strips = ceilDiv(M, MR);
      const auto start = [&](int64_t i) { return area.m0 + M * i / strips; };
      for (int64_t i = 0; i < strips; i++) {
        const int64_t m = start(i), rows = start(i + 1) - m, groups = ceilDiv(panels, NP);
        const float* a = p.a.data + m * p.a.row + k0 * p.a.column;
        Rows source{a, p.a.column == 1 ? p.a.row : p.a.column, p.a.column == 1 ? A::ROWS : A::COLUMNS};
        if (packA) {
          const int64_t within = i % STRIPS;
          if (within == 0) {
            packStrips(a, p.a.row, p.a.column, p.M - m, smaller(STRIPS, strips - i), [&](int64_t j) { return start(i + j) - m; }, kc, aPacked);
          }
          source = {aPacked + within * stripFloats(kc), MR, A::COLUMNS};
        }
        for (int64_t j = 0; j < groups; j++) {
          const int count = static_cast<int>(smaller(NP, panels - j * NP));
          const Micro kernel = count == NP ? kernelFor<NP>(rows, source.layout) : kernelFor<1>(rows, source.layout);
          strip(kernel, count, m, area.n0 + j * NP * PANEL, rows, k0, kc, source, b + j * NP * panelStride, panelStride,
                aheadOf(source, rows, j, groups, kc), k0 + kc < p.K ? aheadOfB(k0 + kc, kc, i, strips, j, groups) : Ahead{b, 0, 0, 0});
        }
      }
      k0 += kc;
    } while (k0 < p.K);
  }

  /** The part of the next strip's A that is fetched beside group j: some rows, or some k of all rows. */
  Ahead aheadOf(const Rows& source, int64_t rows, int64_t j, int64_t groups, int64_t kc) const {
    if (source.layout == A::ROWS) {
      const float* next = source.a + rows * source.ld;
      const int64_t from = MR * j / groups, to = MR * (j + 1) / groups;
      return {next + from * source.ld, to - from, source.ld, 16};
    }
    if (packA) {  // one after the other
      const int64_t lines = ceilDiv(MR, groups);
      return {source.a + stripFloats(kc) + 16 * lines * (kc / 16) * j, lines, 16, 16 * lines};
    }
    const int64_t from = kc * j / groups, count = ceilDiv(16, groups);
    return {source.a + rows + MR / 2 + from * source.ld, count, source.ld, count * source.ld};
  }

  /** The part of the next block of B, from k1 on, that is fetched beside group j of strip i. */
  Ahead aheadOfB(int64_t k1, int64_t kc, int64_t i, int64_t strips, int64_t j, int64_t groups) const {
    if (p.packed) return {p.packed, 0, 0, 0};
    const float* next = p.b.data + k1 * p.b.row + area.n0 * p.b.column;
    if (p.b.column == 1) return {next + kc * i / strips * p.b.row + j * NP * PANEL, NP, PANEL, p.b.row};  // a row after the other
    const int64_t columns = area.n1 - area.n0, from = columns * (i * groups + j) / (strips * groups), to = columns * (i * groups + j + 1) / (strips * groups);
    return {next + from * p.b.column, to - from, p.b.column, 16};
  }

  /** A row or a few against packed panels: each panel is read once, from end to end. */
  void stream(int64_t panels) const {
    const int64_t rows = area.m1 - area.m0, panelStride = p.K * PANEL;
    const Rows a{p.a.data + area.m0 * p.a.row, p.a.row, A::ROWS};
    for (int64_t j = 0; j < panels;) {
      const int64_t left = panels - j, n = area.n0 + j * PANEL;
      const int count = left >= WIDE ? WIDE : left >= NP ? NP : 1;
      const Micro kernel = count == WIDE ? wideKernelFor(rows) : count == NP ? kernelFor<NP>(rows, A::ROWS) : kernelFor<1>(rows, A::ROWS);
      strip(kernel, count, area.m0, n, rows, 0, p.K, a, p.packed + n * p.K, panelStride, {a.a, 0, 0, 0}, {a.a, 0, 0, 0});
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
  Grid g{(p.M + TILE_M / 2) / TILE_M, ceilDiv(p.N, tileN()), 0};
  if (g.rows == 0) g.rows = 1;
  if (g.columns > panelGroups) g.columns = panelGroups;
  while (g.rows * g.columns < tilesWanted) {
    const int64_t height = ceilDiv(p.M, g.rows), width = ceilDiv(p.N, g.columns);
    if (height > width && height > 4 * MR) g.rows *= 2;
    else if (width > 2 * NP * PANEL) g.columns = smaller(2 * g.columns, panelGroups);
    else break;
  }
  return g;
}

/** Whether A is copied into strips: where its lines compete for the same sets of the cache, or it lies across the strips
 *  and the copy is used often. */
bool needsPacking(const Product& p) {
  if (p.a.column == 1) return MR > 8 && p.M > MR / 2 && p.a.row % 16384 == 0;
  return p.a.column % 512 == 0 || p.N >= 8 * NP * PANEL;
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
    const int64_t aFloats = packA ? STRIPS * stripFloats(kc) : 0;
    float* scratch = static_cast<float*>(pool.threadScratch(thread, sizeof(float) * static_cast<size_t>(aFloats + bFloats), 3));
    Task{p, area, scratch, scratch + bFloats, packA}.run();
  });
}

void pack(Pool& pool, int64_t N, int64_t K, Matrix b, float* packed) {
  pool.parallel(ceilDiv(N, PANEL), [&](int64_t panel, int) {
    const int64_t n = panel * PANEL;
    packPanels(b.data + n * b.column, b.row, b.column, smaller(PANEL, N - n), K, packed + n * K);
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
