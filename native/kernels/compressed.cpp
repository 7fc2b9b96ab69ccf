// Products with weights that stay as their file has them: y (T, N) = x (T, K) · wᵀ (+ bias), w of 4 to 16 bits, and the same
// for experts, each of which has its own rows of x.
// Layout: few-bits.h. 16 bits are widened on the way: every element is one chain of fma over k, the bits of f32 `linear`.
// Fewer bits:
//   x is rounded to 8 bits in blocks of 32 first: x ≈ s q, s = max|x| / 127 (as llama.cpp does). Then, per block,
//     y = fma(d s, Σ w q, y), and y = fma(m, s Σ q, y) where the type has a minimum, over blocks in order.
// The sums are integers, hence exact: the value is the same on every instruction set and for every batch.
#include "quantised-dot.h"
#include "rows.h"

namespace ts::ISA {
namespace {

constexpr int64_t BLOCK = 32, PANEL = 16;
constexpr int64_t AHEAD = 8192;  // halves, to be fetched early: see fetchAhead in quantised-dot.h

int64_t panelsOf(int64_t N) { return ceilDiv(N, PANEL); }
int64_t align64(int64_t bytes) { return (bytes + 63) / 64 * 64; }

/** Panels a task should take at least, so that it reads about 64 KiB. */
int64_t panelsPerTask(int64_t bytes) { return most(1, least(16, 65536 / most(1, bytes))); }

// ---- activations to 8 bits -----------------------------------------------------------------------------------------

void quantiseRows(Pool& pool, int64_t T, int64_t K, const float* x, int64_t ldx, const Activations& to) {
  const int64_t blocks = K / BLOCK;
  parallelRows(pool, T, K, [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; t++)
      for (int64_t b = 0; b < blocks; b++) {
        const float* p = x + t * ldx + b * BLOCK;
        const V16 low = load(p), high = load(p + 16);
        const float largest = max(max(abs(low), abs(high)));
        const V16 inverse = broadcast(largest > 0 ? 127.0f / largest : 0.0f);
        // Adding 1.5 · 2²³ rounds to the nearest whole number, ties to even, and leaves it in the low bits.
        const V16 magic = broadcast(12582912.0f);
        int32_t whole[32];
        storeInt(whole, bits(low * inverse + magic) - bits(magic));
        storeInt(whole + 16, bits(high * inverse + magic) - bits(magic));
        int8_t* q = to.quants + t * K + b * BLOCK;
        int32_t halves[2] = {0, 0};
        for (int i = 0; i < 32; i++) { q[i] = static_cast<int8_t>(whole[i]); halves[i / 16] += whole[i]; }
        const int32_t sum = halves[0] + halves[1];
        const float scale = largest / 127.0f;
        to.scales[t * blocks + b] = scale;
        to.sums[t * blocks + b] = sum;
        to.halves[2 * (t * blocks + b)] = halves[0];
        to.halves[2 * (t * blocks + b) + 1] = halves[1];
        to.scaledSums[t * blocks + b] = scale * static_cast<float>(sum);
      }
  });
}

Activations activations(Pool& pool, int64_t T, int64_t K) {
  const int64_t blocks = K / BLOCK, quants = align64(T * K), floats = align64(T * blocks * 4);
  char* memory = static_cast<char*>(pool.scratch(0, static_cast<size_t>(quants + 5 * floats)));
  const auto at = [&](int i) { return memory + quants + i * floats; };
  return {reinterpret_cast<int8_t*>(memory), reinterpret_cast<float*>(at(0)), reinterpret_cast<float*>(at(1)), reinterpret_cast<int32_t*>(at(2)), reinterpret_cast<int32_t*>(at(3))};
}

// ---- quantised products --------------------------------------------------------------------------------------------

/** Stores a panel's sixteen outputs of one token. */
TS_INLINE void finish(float* y, V16 sum, const float* bias, int64_t columns, bool accumulate) {
  if (accumulate) sum += load(y, columns);
  if (bias) sum += load(bias, columns);
  store(y, sum, columns);
}

/** Rows of x with a weight of their own: one for all of them, or one for each expert's. */
struct Shares { int64_t count; const int32_t* offsets; };

void quantised(Pool& pool, Shares shares, int64_t T, const Command& c, const float* bias, Few type) {
  const int64_t N = c.dim(1), K = c.dim(2), ldy = c.dim(4), blocks = K / BLOCK;
  const bool accumulate = c.flag(5);
  const int64_t stride = panelBytes(type, K), chunk = panelsPerTask(stride), panels = panelsOf(N), chunks = ceilDiv(panels, chunk);
  const Activations x = activations(pool, T, K);
  quantiseRows(pool, T, K, c.f(0), c.dim(3), x);
  const PanelDot dot = panelDot(type);
  pool.parallel(shares.count * chunks, [&](int64_t task, int) {
    const int64_t share = task / chunks, first = task % chunks * chunk, begin = shares.offsets[share], end = shares.offsets[share + 1];
    const uint8_t* weights = static_cast<const uint8_t*>(c.t[1]) + share * panels * stride;
    for (int64_t p = first; p < least(panels, first + chunk); p++) {
      for (int64_t t = begin; t < end; t += DOT_TOKENS) {
        const int count = static_cast<int>(least(DOT_TOKENS, end - t));
        V16 sums[DOT_TOKENS];
        dot(count, blocks, K, weights + p * stride, x.from(t, K), sums);
        for (int i = 0; i < count; i++)
          finish(c.f(2) + (t + i) * ldy + p * PANEL, sums[i], bias ? bias + p * PANEL : nullptr, N - p * PANEL, accumulate);
      }
    }
  });
}

// t = [x, panels, y, bias?], a = [T, N, K, ldx, ldy, accumulate, type]
void linearQuantised(Pool& pool, const Command& c) {
  const int32_t all[2] = {0, static_cast<int32_t>(c.dim(0))};
  quantised(pool, {1, all}, c.dim(0), c, c.f(3), static_cast<Few>(c.dim(6)));
}

// t = [x, panels of E weights, y, offsets (E + 1)], a = [E, N, K, ldx, ldy, accumulate, S, type]
void groupedQuantised(Pool& pool, const Command& c) {
  quantised(pool, {c.dim(0), c.i32(3)}, c.dim(6), c, nullptr, static_cast<Few>(c.dim(7)));
}

// ---- 16-bit products -----------------------------------------------------------------------------------------------

/** TOKENS × PANELS tiles of y, each element one chain over k. */
template <bool BF16, int TOKENS, int PANELS>
void halfTile(int64_t K, const float* x, int64_t ldx, const uint16_t* w, V16* out) {
  V16 sums[TOKENS][PANELS];
  for (int t = 0; t < TOKENS; t++)
    for (int p = 0; p < PANELS; p++) sums[t][p] = out[t * PANELS + p];
  for (int64_t k = 0; k < K; k++) {
    V16 column[PANELS];
    if (k % 2 == 0) for (int p = 0; p < PANELS; p++) __builtin_prefetch(w + (p * K + k) * PANEL + AHEAD, 0, 2);
    for (int p = 0; p < PANELS; p++) column[p] = widen<BF16>(w + (p * K + k) * PANEL);
    for (int t = 0; t < TOKENS; t++) {
      const V16 value = broadcast(x[t * ldx + k]);
      for (int p = 0; p < PANELS; p++) sums[t][p] = fma(value, column[p], sums[t][p]);
    }
  }
  for (int t = 0; t < TOKENS; t++)
    for (int p = 0; p < PANELS; p++) out[t * PANELS + p] = sums[t][p];
}

constexpr int HALF_TOKENS = W == 16 ? 4 : 2, HALF_PANELS = W == 16 ? 4 : 2;
using HalfTile = void (*)(int64_t, const float*, int64_t, const uint16_t*, V16*);

template <bool BF16, int PANELS>
HalfTile halfTileFor(int tokens) {
  constexpr HalfTile table[] = {halfTile<BF16, 1, PANELS>, halfTile<BF16, 2, PANELS>, halfTile<BF16, 3, PANELS>, halfTile<BF16, 4, PANELS>};
  return table[tokens - 1];
}

void halves(Pool& pool, Shares shares, const Command& c, const float* bias, bool bf16) {
  const int64_t N = c.dim(1), K = c.dim(2), ldx = c.dim(3), ldy = c.dim(4), panels = panelsOf(N), chunks = ceilDiv(panels, HALF_PANELS);
  const bool accumulate = c.flag(5);
  pool.parallel(shares.count * chunks, [&](int64_t task, int) {
    const int64_t share = task / chunks, first = task % chunks * HALF_PANELS, count = least(HALF_PANELS, panels - first), end = shares.offsets[share + 1];
    const uint16_t* weights = static_cast<const uint16_t*>(c.t[1]) + share * panels * K * PANEL;
    for (int64_t t = shares.offsets[share]; t < end; t += HALF_TOKENS) {
      const int tokens = static_cast<int>(least(HALF_TOKENS, end - t));
      const float* x = c.f(0) + t * ldx;
      const int64_t step = count == HALF_PANELS ? HALF_PANELS : 1;
      for (int64_t p = 0; p < count; p += step) {
        V16 sums[HALF_TOKENS * HALF_PANELS];
        const int64_t n = (first + p) * PANEL;
        const auto at = [&](int i, int64_t j) { return c.f(2) + (t + i) * ldy + n + j * PANEL; };
        for (int i = 0; i < tokens; i++)
          for (int64_t j = 0; j < step; j++) sums[i * step + j] = accumulate ? load(at(i, j), N - n - j * PANEL) : zero();
        const HalfTile tile = step == 1 ? (bf16 ? halfTileFor<true, 1>(tokens) : halfTileFor<false, 1>(tokens))
                                        : (bf16 ? halfTileFor<true, HALF_PANELS>(tokens) : halfTileFor<false, HALF_PANELS>(tokens));
        tile(K, x, ldx, weights + (first + p) * K * PANEL, sums);
        for (int i = 0; i < tokens; i++)
          for (int64_t j = 0; j < step; j++)
            finish(at(i, j), sums[i * step + j], bias ? bias + n + j * PANEL : nullptr, N - n - j * PANEL, false);
      }
    }
  });
}

// t = [x, panels, y, bias?], a = [T, N, K, ldx, ldy, accumulate, type: 0 f16, 1 bf16]
void linearHalf(Pool& pool, const Command& c) {
  const int32_t all[2] = {0, static_cast<int32_t>(c.dim(0))};
  halves(pool, {1, all}, c, c.f(3), c.flag(6));
}

// t = [x, panels of E weights, y, offsets (E + 1)], a = [E, N, K, ldx, ldy, accumulate, S, type: 0 f16, 1 bf16]
void groupedHalf(Pool& pool, const Command& c) { halves(pool, {c.dim(0), c.i32(3)}, c, nullptr, c.flag(7)); }

// ---- rows of an embedding ------------------------------------------------------------------------------------------

// t = [ids, panels, out], a = [T, V, C, type]
void embeddingCompressed(Pool& pool, const Command& c) {
  const int64_t T = c.dim(0), V = c.dim(1), C = c.dim(2);
  const Few type = static_cast<Few>(c.dim(3));
  const int32_t* ids = c.i32(0);
  for (int64_t t = 0; t < T; t++)
    if (ids[t] < 0 || ids[t] >= V) pool.fail("embeddingCompressed: entry %lld is %d, outside of 0 to %lld", static_cast<long long>(t), ids[t], static_cast<long long>(V - 1));
  parallelRows(pool, T, 4 * C, [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; t++) {
      const uint8_t* panel = static_cast<const uint8_t*>(c.t[1]) + ids[t] / PANEL * panelBytes(type, C);
      for (int64_t k = 0; k < C; k += 16) {  // sixteen rows at once, of which one is wanted
        alignas(64) float tile[256];
        dequantiseTile(type, panel, C, k / 16, tile);
        for (int64_t i = 0; i < 16 && k + i < C; i++) c.f(2)[t * C + k + i] = tile[16 * i + ids[t] % PANEL];
      }
    }
  });
}

}  // namespace

extern const Entry compressed_kernels[] = {{"linearQuantised", linearQuantised}, {"linearHalf", linearHalf},
  {"groupedQuantised", groupedQuantised}, {"groupedHalf", groupedHalf}, {"embeddingCompressed", embeddingCompressed}, {nullptr, nullptr}};

}  // namespace ts::ISA
