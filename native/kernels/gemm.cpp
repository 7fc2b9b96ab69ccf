// The blocked matrix product (gemm.h) and the kernel `matmul`.
// C is cut into tiles that one task owns. A task walks K in blocks: it packs its own block of B (panels of 16 columns)
// and, where A cannot be read in place, of A, and keeps tiles of C in registers. Nothing is shared between threads, so
// there is no barrier but the end. A thread holds on to the B that it packed while it computes tiles of the same columns.
#include "gemm.h"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <utility>

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

#include "gemm-micro.h"
#include "pool.h"

namespace ts::ISA {
namespace {

/** Steps of k that pass while a line comes from memory. */
constexpr int64_t AHEAD = 192;
constexpr int64_t TILE_M = 1024;  // rows of a task, unless there would be too few tasks

/** A block of B, blockOf(p) × tileN(p), stays in the second-level cache, while strips of A pass through the first. */
int64_t cacheBytes() {
#if defined(_SC_LEVEL2_CACHE_SIZE)
  static const int64_t bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
  if (bytes > 0) return bytes;
#endif
  return 1 << 20;
}
constexpr int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

bool needsPacking(const Product& p);

/** Length of the blocks that K is walked in. Where C keeps its old value to the end, a block cannot leave its part there.
 *  Long blocks load and store C less often; where A is packed for each tile of columns and the cache is small, shorter
 *  ones leave room for wider tiles. */
int64_t blockOf(const Product& p) {
  const int64_t most = cacheBytes() < 1 << 20 && needsPacking(p) ? 288 : 640;
  if (p.K <= most || (p.accumulate && p.alpha != 1.0f)) return p.K;
  return ceilDiv(ceilDiv(p.K, ceilDiv(p.K, most)), 8) * 8;
}

/** Columns of a tile: as many as leave a third of the cache to the rest. */
int64_t tileN(const Product& p) {
  const int64_t block = cacheBytes() < 1 << 20 ? smaller(blockOf(p), 640) : 640, step = cacheBytes() < 1 << 20 ? 32 : 64;
  const int64_t columns = cacheBytes() * 2 / 3 / (4 * (block < 1 ? 1 : block)) / step * step;
  return columns < 128 ? 128 : columns > 512 ? 512 : columns;
}

/** So many strips are packed together: where A lies across the strips, ten lines of memory at a time. */
constexpr int64_t STRIPS = 168 / MR;

// ---- the register kernels by rows and panels -----------------------------------------------------------------------

template <int P, A LAYOUT, int... R>
constexpr Micro pick(int64_t rows, std::integer_sequence<int, R...>) {
  constexpr Micro table[] = {micro<R + 1, P, LAYOUT>...};
  return table[rows - 1];
}

template <int P>
Micro kernelOf(int64_t rows, A layout) {
  using Rows = std::make_integer_sequence<int, MR>;
  return layout == A::ROWS ? pick<P, A::ROWS>(rows, Rows()) : pick<P, A::COLUMNS>(rows, Rows());
}

Micro kernelFor(int64_t rows, int64_t panels, A layout) {
  return panels == NP ? kernelOf<NP>(rows, layout) : kernelOf<1>(rows, layout);
}

/** Panels at a time for a few rows against B from memory: enough chains of fma to hide its latency, and streams of B. */
constexpr int streamPanels(int rows) {
  if (W == 16) return rows <= 4 ? 4 : rows <= MR ? 2 : 1;
  if (W == 8) return rows == 1 ? 4 : rows == 2 ? 2 : 1;
  return rows <= 2 ? 2 : 1;
}
constexpr int MOST_PANELS = streamPanels(1), STREAM_ROWS = W == 16 ? 28 : MR;

template <int... R>
constexpr Micro pickStream(int64_t rows, std::integer_sequence<int, R...>) {
  constexpr Micro table[] = {micro<R + 1, streamPanels(R + 1), A::ROWS, true>...};
  return table[rows - 1];
}
Micro streamKernelFor(int64_t rows) { return pickStream(rows, std::make_integer_sequence<int, STREAM_ROWS>()); }

// ---- one task ------------------------------------------------------------------------------------------------------

struct Area { int64_t m0, m1, n0, n1; };

struct Task {
  const Product& p;
  Area area;
  float* bPacked;
  float* aPacked;
  bool packA;
  bool hold;      // bPacked has room for all of K, block behind block
  bool isPacked;  // and holds it already
  const int64_t M = area.m1 - area.m0, panels = ceilDiv(area.n1 - area.n0, PANEL), groups = ceilDiv(panels, NP), strips = ceilDiv(M, MR);

  /** First row of strip i: strips of at most MR rows, as even as can be. */
  int64_t start(int64_t i) const { return area.m0 + M * i / strips; }

  void run() const {
    if (p.packed && M <= STREAM_ROWS) return stream();
    const int64_t block = blockOf(p);
    int64_t k0 = 0;
    do {  // once even for K = 0: C becomes 0, or bias
      const int64_t kc = smaller(block, p.K - k0);
      Strip s = blockStrip(k0, kc);
      if (p.packed) {
        underStrips(s, k0);
      } else {
        float* const slab = bPacked + (hold ? k0 * panels * PANEL : 0);
        if (!isPacked) fill(k0, kc, slab);
        s.b = slab;
        alongStrips(s, k0);
      }
      k0 += kc;
    } while (k0 < p.K);
  }

  void fill(int64_t k0, int64_t kc, float* slab) const {
    if (p.source) p.source->fill(p.source->context, k0, kc, area.n0, area.n1 - area.n0, slab);
    else packPanels(p.b.data + k0 * p.b.row + area.n0 * p.b.column, p.b.row, p.b.column, area.n1 - area.n0, kc, slab);
  }

  /** What all tiles over a block of K have in common. */
  Strip blockStrip(int64_t k0, int64_t kc) const {
    const bool last = k0 + kc == p.K, onto = p.accumulate && p.alpha != 1.0f;
    Strip s{};
    s.kc = kc;
    s.b = p.packed ? p.packed + area.n0 * p.K + k0 * PANEL : bPacked;
    s.panelStride = (p.packed ? p.K : kc) * PANEL;
    s.lda = p.a.column == 1 ? p.a.row : p.a.column;
    s.ldc = p.ldc;
    s.fromC = k0 > 0 || (p.accumulate && !onto);
    s.ontoC = last && onto;
    s.alpha = last ? p.alpha : 1.0f;
    s.bias = last ? p.bias : nullptr;
    return s;
  }

  /** Strip by strip of A, which stays in the first-level cache while all panels pass. */
  void alongStrips(Strip& s, int64_t k0) const {
    const float* const b = s.b;
    const int64_t lead = 1 + AHEAD / (s.kc + 1);  // tiles of C, asked for in time to come from memory
    A layout = p.a.column == 1 ? A::ROWS : A::COLUMNS;
    s.aheadA = s.aheadB = {b, 0, 0, 0};
    for (int64_t i = 0; i < strips; i++) {
      const int64_t m = start(i), rows = start(i + 1) - m;
      s.a = p.a.data + m * p.a.row + k0 * p.a.column;
      if (packA) {
        if (i % STRIPS == 0) {
          packStrips(s.a, p.a.row, p.a.column, p.M - m, smaller(STRIPS, strips - i), [&](int64_t j) { return start(i + j) - m; }, s.kc, aPacked);
        }
        s.a = aPacked + i % STRIPS * stripFloats(s.kc);
        s.lda = MR;
        layout = A::COLUMNS;
      }
      const int64_t stepA = packA ? 0 : fetchA(s, k0, i), stepB = packA ? 0 : fetchB(s, k0 + s.kc, i);
      float* const next = p.c + start(i + 1) * p.ldc + area.n0;  // the strip below
      for (int64_t j = 0; j < groups; j++) {
        s.b = b + j * NP * s.panelStride;
        const int64_t count = smaller(NP, panels - j * NP), later = j + lead - groups;
        s.nextC = later < 0 ? p.c + m * p.ldc + area.n0 + (j + lead) * NP * PANEL : i + 1 < strips && later < groups ? next + later * NP * PANEL : p.c;
        tile(s, kernelFor(rows, count, layout), count, m, rows, area.n0 + j * NP * PANEL);
        s.aheadA.at += stepA;
        s.aheadB.at += stepB;
      }
    }
  }

  /** Group by group of packed panels, which come from memory once, over all strips. */
  void underStrips(Strip& s, int64_t k0) const {
    const float* const b = s.b;
    const int64_t lines = ceilDiv(NP * PANEL, strips);  // of the next group, per 16 steps
    for (int64_t j = 0; j < groups; j++) {
      s.b = b + j * NP * s.panelStride;
      for (int64_t i = 0; i < strips; i++) {
        const int64_t m = start(i), rows = start(i + 1) - m, count = smaller(NP, panels - j * NP);
        s.a = p.a.data + m * p.a.row + k0;
        s.nextC = p.c + m * p.ldc + area.n0 + (j + 1) * NP * PANEL;
        s.aheadB = {s.b + NP * s.panelStride + i * lines * PANEL * (s.kc / 16), lines, PANEL, lines * PANEL};
        tile(s, kernelFor(rows, count, A::ROWS), count, m, rows, area.n0 + j * NP * PANEL);
      }
    }
  }

  /** A row or a few against packed panels: each panel is read once, from end to end. */
  void stream() const {
    Strip s = blockStrip(0, p.K);
    s.a = p.a.data + area.m0 * p.a.row;
    const int64_t most = streamPanels(static_cast<int>(M));
    for (int64_t j = 0; j < panels;) {
      const int64_t left = panels - j, count = left >= most ? most : left >= NP ? NP : 1;
      const Micro kernel = count == most ? streamKernelFor(M) : kernelFor(M, count, A::ROWS);
      s.nextC = p.c + area.m0 * p.ldc + area.n0 + (j + count) * PANEL;
      tile(s, kernel, count, area.m0, M, area.n0 + j * PANEL);
      s.b += count * s.panelStride;
      j += count;
    }
  }

  /** The tile of C at (m, n): rows × some panels. */
  void tile(Strip& s, Micro kernel, int64_t count, int64_t m, int64_t rows, int64_t n) const {
    const int64_t width = count * PANEL, columns = p.N - n;
    s.c = p.c + m * p.ldc + n;
    if (p.bias && s.bias) s.bias = p.bias + n;
    if (columns >= width) return kernel(s);
    // It hangs over the right edge: work on a copy.
    alignas(64) float copy[STREAM_ROWS * MOST_PANELS * PANEL], bias[MOST_PANELS * PANEL];
    const auto columnsOf = [&](int64_t panel) { return columns - panel * PANEL; };
    Strip t = s;
    t.c = copy;
    t.ldc = width;
    if (s.fromC || s.ontoC)
      for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < count; j++) store(copy + r * width + j * PANEL, load(s.c + r * s.ldc + j * PANEL, columnsOf(j)));
    if (s.bias) {
      for (int64_t j = 0; j < count; j++) store(bias + j * PANEL, load(s.bias + j * PANEL, columnsOf(j)));
      t.bias = bias;
    }
    kernel(t);
    for (int64_t r = 0; r < rows; r++)
      for (int64_t j = 0; j < count; j++) store(s.c + r * s.ldc + j * PANEL, load(copy + r * width + j * PANEL), columnsOf(j));
  }

  /** Lets each group of panels of strip i fetch its share of the A that comes next: the next strip. Returns what lies
   *  between two shares. (Where strips are packed, fetching ahead cost more than it gained.) */
  int64_t fetchA(Strip& s, int64_t k0, int64_t i) const {
    const int64_t later = i + 1, k1 = k0 + s.kc;
    if (later >= strips && k1 >= p.K) return 0;
    const int64_t m = later < strips ? start(later) : start(later - strips < strips ? later - strips : 0), k = later < strips ? k0 : k1;
    const float* next = p.a.data + m * p.a.row + k * p.a.column;
    if (p.a.column == 1) {  // some rows
      const int64_t count = ceilDiv(MR, groups);
      s.aheadA = {next, count, p.a.row, 16};
      return count * p.a.row;
    }
    const int64_t count = ceilDiv(16, groups);  // some k
    s.aheadA = {next + MR / 2, count, p.a.column, count * p.a.column};
    return s.kc / groups * p.a.column;
  }

  /** Likewise for the next block of B, from k1 on: each strip fetches its share, some rows or some columns. */
  int64_t fetchB(Strip& s, int64_t k1, int64_t i) const {
    s.aheadB = {s.b, 0, 0, 0};
    if (k1 >= p.K || p.source) return 0;
    const float* next = p.b.data + k1 * p.b.row + area.n0 * p.b.column;
    if (p.b.column == 1) {
      s.aheadB = {next + s.kc * i / strips * p.b.row, NP, PANEL, p.b.row};
      return NP * PANEL;
    }
    const int64_t columns = area.n1 - area.n0, count = ceilDiv(columns, strips * groups);
    s.aheadB = {next + columns * i / strips * p.b.column, count, p.b.column, 16};
    return count * p.b.column;
  }
};

// ---- cutting into tasks --------------------------------------------------------------------------------------------

struct Grid {
  int64_t rows, columns, first;  // tiles down and across, number of the first one
  bool hold;                     // a thread packs all of B's K for the columns of a tile, and keeps it for the tiles below
  int64_t product;
};

constexpr int64_t MOST_HELD = 1 << 20;  // floats of B
constexpr int64_t LOWEST = 8 * MR;      // rows of a tile at least, where B is held

/** Few enough tiles that packing pays, enough that `threads` end together. */
Grid gridOf(const Product& p, int64_t tilesWanted) {
  const int64_t panelGroups = ceilDiv(p.N, NP * PANEL);
  if (p.M <= 0 || p.N <= 0 || (p.K == 0 && p.accumulate && !p.bias)) return {0, 0, 0, false, 0};
  Grid g{(p.M + TILE_M / 2) / TILE_M, ceilDiv(p.N, tileN(p)), 0, false, 0};
  if (g.rows == 0) g.rows = 1;
  if (g.columns > panelGroups) g.columns = panelGroups;
  const bool holds = !p.packed && ceilDiv(panelGroups, g.columns) * NP * PANEL * p.K <= MOST_HELD;
  while (g.rows * g.columns < tilesWanted) {
    const int64_t height = ceilDiv(p.M, g.rows), width = ceilDiv(p.N, g.columns);
    if (holds && height >= 2 * LOWEST) g.rows *= 2;
    else if (height > width && height > 4 * MR) g.rows *= 2;
    else if (width > 2 * NP * PANEL) g.columns = smaller(2 * g.columns, panelGroups);
    else break;
  }
  g.hold = holds && g.rows > 1;
  return g;
}

/** Whether A is copied into strips: where its lines compete for the same sets of the cache, or it lies across the strips
 *  and the copy is used often. */
bool needsPacking(const Product& p) {
  if (p.a.column == 1) return MR > 8 && p.M > MR / 2 && p.a.row % 16384 == 0;
  return p.a.column % 512 == 0 || p.N >= 8 * NP * PANEL;
}

Area areaOf(const Product& p, const Grid& g, int64_t tile) {
  const int64_t i = tile % g.rows, j = tile / g.rows, groups = ceilDiv(p.N, NP * PANEL);
  return {p.M * i / g.rows, p.M * (i + 1) / g.rows, groups * j / g.columns * NP * PANEL,
          smaller(groups * (j + 1) / g.columns * NP * PANEL, p.N)};
}

}  // namespace

void gemm(Pool& pool, const Product* products, int64_t count) {
  const int threads = pool.threads();  // 1 inside of a tile
  Grid* grids = static_cast<Grid*>(pool.scratch(7, sizeof(Grid) * static_cast<size_t>(count) + sizeof(int64_t) * static_cast<size_t>(threads)));
  int64_t* held = reinterpret_cast<int64_t*>(grids + count);  // by thread: the first tile of the columns whose B it holds
  for (int t = 0; t < threads; t++) held[t] = -1;
  // Each product is cut by its share of the work, and the one with the largest tiles goes first: threads end together.
  const auto work = [&](const Product& p) { return static_cast<double>(p.M) * static_cast<double>(p.N) * static_cast<double>(p.K); };
  const auto workOfTile = [&](const Grid& g) { return g.rows ? work(products[g.product]) / static_cast<double>(g.rows * g.columns) : 0; };
  double total = 0;
  for (int64_t i = 0; i < count; i++) total += work(products[i]);
  for (int64_t i = 0; i < count; i++) {
    grids[i] = gridOf(products[i], threads == 1 ? 1 : static_cast<int64_t>(std::ceil(4 * threads * work(products[i]) / std::fmax(total, 1))));
    grids[i].product = i;
  }
  if (threads > 1) std::stable_sort(grids, grids + count, [&](const Grid& a, const Grid& b) { return workOfTile(a) > workOfTile(b); });
  int64_t tiles = 0;
  for (int64_t i = 0; i < count; i++) {
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
    const Grid& grid = grids[low];
    const Product& p = products[grid.product];
    const Area area = areaOf(p, grid, tile - grid.first);
    const bool packA = needsPacking(p);
    const int64_t kc = blockOf(p), columns = tile - (tile - grid.first) % grid.rows;
    const int64_t bFloats = p.packed ? 0 : ceilDiv(area.n1 - area.n0, PANEL) * PANEL * (grid.hold ? p.K : kc);
    const int64_t aFloats = packA ? STRIPS * stripFloats(kc) : 0;
    float* scratch = static_cast<float*>(pool.threadScratch(thread, sizeof(float) * static_cast<size_t>(aFloats + bFloats), 3));
    int64_t& holding = held[threads == 1 ? 0 : thread];
    Task{p, area, scratch, scratch + bFloats, packA, grid.hold, grid.hold && holding == columns}.run();
    holding = columns;
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
