// The blocked matrix product (gemm.h) and the kernel `matmul`.
// C is cut into tiles that one task owns. A task walks K in blocks: it packs its own block of B (panels of 16 columns)
// and of A, where they cannot be read as they lie, and keeps tiles of C in registers. No thread waits for another before
// the end. A thread stays in its columns, and holds on to the B that it packed for their other tiles.
#include "gemm.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
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

/** How the register kernels get at A: as it lies; rows copied one by one, so that they do not compete for the same sets of
 *  the first-level cache, which has 8 to 12 ways; strips, where A lies across them and a copy is used often. */
enum class ReadA { IN_PLACE, ROWS_COPIED, STRIPS };

ReadA readA(const Product& p) {
  if (p.a.column == 1) return MR > 8 && p.M > MR / 2 && p.a.row % 1024 == 0 ? ReadA::ROWS_COPIED : ReadA::IN_PLACE;
  return p.a.column % 512 == 0 || p.N >= 8 * NP * PANEL ? ReadA::STRIPS : ReadA::IN_PLACE;
}

/** Floats from one copied row to the next: an odd number of lines. */
constexpr int64_t copiedRow(int64_t kc) { return (kc + 15) / 32 * 32 + 16; }

/** Whether rows of B are read as they lie: panels cost a few percent where few rows of A share them. Smaller register
 *  tiles read B more often and lose by it, as do large B whose rows compete for the same sets of the cache. */
constexpr bool B_IN_PLACE = W == 16;
bool readsInPlace(const Product& p) {
  return B_IN_PLACE && !p.packed && !p.source && p.b.column == 1 && p.N % PANEL == 0 && p.M <= 2048 && (p.b.row % 512 != 0 || p.K <= 2048);
}

/** Length of the blocks that K is walked in. Where C keeps its old value to the end, a block cannot leave its part there.
 *  Long blocks load and store C less often, most of all where nothing is copied; where A is packed for each tile of
 *  columns and the cache is small, shorter ones leave room for wider tiles. */
int64_t blockOf(const Product& p) {
  const bool asTheyLie = readsInPlace(p) && readA(p) == ReadA::IN_PLACE && p.a.column == 1;
  const int64_t most = cacheBytes() < 1 << 20 && readA(p) == ReadA::STRIPS ? 288 : 640;
  if (p.K <= (asTheyLie ? 1024 : most) || (p.accumulate && p.alpha != 1.0f)) return p.K;
  return ceilDiv(ceilDiv(p.K, ceilDiv(p.K, most)), 8) * 8;
}

/** Columns of a tile: as many as leave a third of the cache to the rest. */
int64_t tileN(const Product& p) {
  const int64_t block = smaller(blockOf(p), 640), step = cacheBytes() < 1 << 20 ? 32 : 64;
  const int64_t columns = cacheBytes() * 2 / 3 / (4 * (block < 1 ? 1 : block)) / step * step;
  return columns < 128 ? 128 : columns > 512 ? 512 : columns;
}

/** So many strips are packed together: ten lines of memory at a time. */
constexpr int64_t TOGETHER = 168 / MR;

// ---- the register kernels by rows and panels -----------------------------------------------------------------------

template <int P, A LAYOUT, B SOURCE, int... R>
constexpr Micro pick(int64_t rows, std::integer_sequence<int, R...>) {
  constexpr Micro table[] = {micro<R + 1, P, LAYOUT, SOURCE>...};
  return table[rows - 1];
}

template <int P, B SOURCE>
Micro kernelOf(int64_t rows, A layout) {
  using Rows = std::make_integer_sequence<int, MR>;
  return layout == A::ROWS ? pick<P, A::ROWS, SOURCE>(rows, Rows()) : pick<P, A::COLUMNS, SOURCE>(rows, Rows());
}

template <B SOURCE = B::PANELS>
Micro kernelFor(int64_t rows, int64_t panels, A layout) {
  return panels == NP ? kernelOf<NP, SOURCE>(rows, layout) : kernelOf<1, SOURCE>(rows, layout);
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
  constexpr Micro table[] = {micro<R + 1, streamPanels(R + 1), A::ROWS, B::STREAM>...};
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
  ReadA aRead;
  bool bInPlace;
  bool alone;     // no other tile is in these columns
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
        if (!bInPlace) {
          float* const slab = bPacked + (hold ? k0 * panels * PANEL : 0);
          if (!isPacked) fill(k0, kc, slab);
          s.b = slab;
        }
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
    s.b = p.packed ? p.packed + area.n0 * p.K + k0 * PANEL : p.b.data + k0 * p.b.row + area.n0;
    s.panelStride = bInPlace ? PANEL : (p.packed ? p.K : kc) * PANEL;
    s.ldb = p.b.row;
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
      if (aRead == ReadA::ROWS_COPIED) {
        s.lda = copiedRow(s.kc);
        for (int64_t r = 0; r < rows; r++) memcpy(aPacked + r * s.lda, s.a + r * p.a.row, sizeof(float) * static_cast<size_t>(s.kc));
        s.a = aPacked;
      } else if (aRead == ReadA::STRIPS) {
        if (i % TOGETHER == 0) {
          packStrips(s.a, p.a.column, p.M - m, smaller(TOGETHER, strips - i), [&](int64_t j) { return start(i + j) - m; }, s.kc, aPacked);
        }
        s.a = aPacked + i % TOGETHER * stripFloats(s.kc);
        s.lda = MR;
        layout = A::COLUMNS;
      }
      const bool fetch = aRead != ReadA::STRIPS;
      const int64_t stepA = fetch ? fetchA(s, k0, i) : 0, stepB = fetch ? fetchB(s, k0 + s.kc, i) : 0;
      float* const next = p.c + start(i + 1) * p.ldc + area.n0;  // the strip below
      for (int64_t j = 0; j < groups; j++) {
        s.b = b + j * NP * s.panelStride;
        const int64_t count = smaller(NP, panels - j * NP), later = j + lead - groups;
        s.nextC = later < 0 ? p.c + m * p.ldc + area.n0 + (j + lead) * NP * PANEL : i + 1 < strips && later < groups ? next + later * NP * PANEL : p.c;
        tile(s, kernelOfTile(rows, count, layout), count, m, rows, area.n0 + j * NP * PANEL);
        s.aheadA.at += stepA;
        s.aheadB.at += stepB;
      }
    }
  }

  Micro kernelOfTile(int64_t rows, int64_t count, A layout) const {
    if constexpr (B_IN_PLACE) if (bInPlace) return kernelFor<B::ROWS>(rows, count, layout);
    return kernelFor(rows, count, layout);
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
    const int64_t m = later < strips ? start(later) : area.m0, k = later < strips ? k0 : k1;
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

  /** Likewise for the next block of B, from k1 on or, behind the last one, of the columns that come next: each strip
   *  fetches its share, some rows or some columns. */
  int64_t fetchB(Strip& s, int64_t k1, int64_t i) const {
    s.aheadB = {s.b, 0, 0, 0};
    const bool last = k1 >= p.K;
    if (p.source || (last ? !alone || 2 * area.n1 - area.n0 > p.N : isPacked)) return 0;
    const float* next = p.b.data + (last ? 0 : k1 * p.b.row) + (last ? area.n1 : area.n0) * p.b.column;
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
  int64_t rows, columns;           // tiles down and across
  bool hold;                       // a thread packs all of B's K for the columns of a tile, and keeps it for the tiles below
  int64_t product;
  int64_t firstTile, firstColumn;  // their numbers among those of all products
};

constexpr int64_t MOST_HELD = 1 << 20;  // floats of B
constexpr int64_t LOWEST = 8 * MR;      // rows of a tile at least, where B is held

/** Few enough tiles that packing pays, enough that `threads` end together. */
Grid gridOf(const Product& p, int64_t threads, int64_t tilesWanted) {
  const int64_t panelGroups = ceilDiv(p.N, NP * PANEL);
  if (p.M <= 0 || p.N <= 0 || (p.K == 0 && p.accumulate && !p.bias)) return {};
  Grid g{(p.M + TILE_M / 2) / TILE_M, ceilDiv(p.N, tileN(p)), false, 0, 0, 0};
  if (g.rows == 0) g.rows = 1;
  if (g.columns > panelGroups) g.columns = panelGroups;
  const bool holds = !p.packed && ceilDiv(panelGroups, g.columns) * NP * PANEL * p.K <= MOST_HELD;
  const int64_t alike = ceilDiv(g.columns, threads) * threads;  // as many for each thread
  if (holds && g.columns >= threads && p.N / alike >= 128) g.columns = alike;
  const bool costly = !p.packed && !p.source && !holds && p.b.column == 1;  // every tile down reads or packs all of B, and few rows do not pay for it
  while (g.rows * g.columns < tilesWanted) {
    const int64_t height = ceilDiv(p.M, g.rows), width = ceilDiv(p.N, g.columns);
    const bool down = (holds && height >= 2 * LOWEST) || (height > width && height > 4 * MR && !(costly && height <= 256));
    if (down) g.rows *= 2;
    else if (width > (costly ? 96 : 2 * NP * PANEL)) g.columns = smaller(2 * g.columns, panelGroups);
    else break;
  }
  g.hold = holds && g.rows > 1;
  return g;
}

/** The tile in row i and column j. */
Area areaOf(const Product& p, const Grid& g, int64_t i, int64_t j) {
  const int64_t groups = ceilDiv(p.N, NP * PANEL);
  return {p.M * i / g.rows, p.M * (i + 1) / g.rows, groups * j / g.columns * NP * PANEL,
          smaller(groups * (j + 1) / g.columns * NP * PANEL, p.N)};
}

/** How many tiles of a column were taken. */
using Taken = std::atomic<int64_t>;

struct Place { int64_t row, column; };

/** Takes a tile of a grid that has one left: of the column whose B the thread holds (−1: none), else of the one with most
 *  tiles left, counted from `from` on, where no other thread is likely to be. Columns begin at different rows, so that
 *  two threads do not ask for the same lines of A at once. */
Place take(const Grid& g, Taken* taken, int64_t held, int64_t from) {
  const auto left = [&](int64_t j) { return g.rows - taken[j].load(std::memory_order_relaxed); };
  for (int64_t column = held;;) {
    if (column >= 0 && left(column) > 0) {
      const int64_t row = taken[column].fetch_add(1, std::memory_order_relaxed);
      if (row < g.rows) return {(row + g.rows * column / g.columns) % g.rows, column};
    }
    column = from;
    for (int64_t i = 1; i < g.columns; i++) {
      const int64_t j = (from + i) % g.columns;
      if (left(j) > left(column)) column = j;
    }
  }
}

}  // namespace

void gemm(Pool& pool, const Product* products, int64_t count) {
  const int threads = pool.threads();  // 1 inside of a tile
  Grid* grids = static_cast<Grid*>(pool.scratch(7, sizeof(Grid) * static_cast<size_t>(count)));
  // Each product is cut by its share of the work, and the one with the largest tiles goes first: threads end together.
  const auto work = [&](const Product& p) { return static_cast<double>(p.M) * static_cast<double>(p.N) * static_cast<double>(p.K); };
  const auto workOfTile = [&](const Grid& g) { return g.rows ? work(products[g.product]) / static_cast<double>(g.rows * g.columns) : 0; };
  double total = 0;
  for (int64_t i = 0; i < count; i++) total += work(products[i]);
  for (int64_t i = 0; i < count; i++) {
    grids[i] = gridOf(products[i], threads, threads == 1 ? 1 : static_cast<int64_t>(std::ceil(4 * threads * work(products[i]) / std::fmax(total, 1))));
    grids[i].product = i;
  }
  if (threads > 1) std::stable_sort(grids, grids + count, [&](const Grid& a, const Grid& b) { return workOfTile(a) > workOfTile(b); });
  int64_t tiles = 0, allColumns = 0;
  for (int64_t i = 0; i < count; i++) {
    grids[i].firstTile = tiles;
    grids[i].firstColumn = allColumns;
    tiles += grids[i].rows * grids[i].columns;
    allColumns += grids[i].columns;
  }
  int64_t* held = static_cast<int64_t*>(pool.scratch(8, sizeof(int64_t) * static_cast<size_t>(threads) + sizeof(Taken) * static_cast<size_t>(allColumns)));
  Taken* taken = reinterpret_cast<Taken*>(held + threads);
  for (int t = 0; t < threads; t++) held[t] = -1;  // the column, among those of all products, that the thread was at last
  for (int64_t j = 0; j < allColumns; j++) new (taken + j) Taken(0);
  pool.parallel(tiles, [&](int64_t tile, int thread) {
    int64_t low = 0, high = count - 1;  // the last product whose first tile is not behind this one
    while (low < high) {
      const int64_t middle = (low + high + 1) / 2;
      if (grids[middle].firstTile <= tile) low = middle;
      else high = middle - 1;
    }
    const Grid& grid = grids[low];
    const Product& p = products[grid.product];
    int64_t& at = held[threads == 1 ? 0 : thread];
    const int64_t before = at - grid.firstColumn, here = before >= 0 && before < grid.columns ? before : -1;
    const auto [row, column] = take(grid, taken + grid.firstColumn, here, threads == 1 ? 0 : grid.columns * thread / threads);
    const Area area = areaOf(p, grid, row, column);
    const ReadA aRead = readA(p);
    const bool bInPlace = readsInPlace(p);
    const int64_t kc = blockOf(p);
    const int64_t bFloats = p.packed || bInPlace ? 0 : ceilDiv(area.n1 - area.n0, PANEL) * PANEL * (grid.hold ? p.K : kc);
    const int64_t aFloats = aRead == ReadA::STRIPS ? TOGETHER * stripFloats(kc) : aRead == ReadA::ROWS_COPIED ? MR * copiedRow(kc) : 0;
    float* scratch = static_cast<float*>(pool.threadScratch(thread, sizeof(float) * static_cast<size_t>(aFloats + bFloats), 3));
    Task{p, area, scratch, scratch + bFloats, aRead, bInPlace, grid.rows == 1, grid.hold, grid.hold && here == column}.run();
    at = grid.firstColumn + column;
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
