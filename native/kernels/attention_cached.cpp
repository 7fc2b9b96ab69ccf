// cacheAppend, attentionCached, cacheCopy: the paged cache (src/engine/ops/attention-cached.ts; the arithmetic, shared
// with training: attention-rows.h). Pages hold keys (Hkv, D, 64) and values (Hkv, 64, Dv).
// In fast mode pages may hold fewer bits (cache-pages.h).
// Neighbouring rows that read the same page (samples of one prompt, a prompt in chunks) go through it together.
#include "attention-rows.h"
#include "attention-transpose.h"
#include "cache-pages.h"
#include "kernel.h"
#include "pool.h"

namespace ts::ISA {
namespace {

/** Pages of sequences, and the rows of a batch. */
struct Table {
  const int32_t *table, *rowSeq, *rowPos;
  int64_t maxBlocks;

  bool skips(int64_t r) const { return rowSeq[r] < 0; }
  int64_t page(int64_t r, int64_t block) const { return table[rowSeq[r] * maxBlocks + block]; }
};

// t = k, v, key pages, value pages, table, rowSeq, rowPos; a = R, Hkv, D, Dv, ldk, hsk, ldv, hsv, maxBlocks, type
void cacheAppend(Pool& pool, const Command& c) {
  const float *k = c.f(0), *v = c.f(1);
  float *keys = c.f(2), *values = c.f(3);
  const Table rows{c.i32(4), c.i32(5), c.i32(6), c.dim(8)};
  const int64_t R = c.dim(0), Hkv = c.dim(1), D = c.dim(2), Dv = c.dim(3), ldk = c.dim(4), hsk = c.dim(5), ldv = c.dim(6), hsv = c.dim(7);
  const CacheType type = static_cast<CacheType>(c.dim(9));
  const int64_t keyBytes = pageBytes(type, D), valueBytes = pageBytes(type, Dv);
  const int64_t tile = 32;
  pool.parallel((R + tile - 1) / tile * Hkv, [&](int64_t task, int) {
    const int64_t g = task % Hkv, begin = task / Hkv * tile, end = begin + tile < R ? begin + tile : R;
    for (int64_t r = begin, next; r < end; r = next) {
      next = r + 1;
      if (rows.skips(r)) continue;
      const int64_t at = rows.rowPos[r] % KEY_BLOCK, page = rows.page(r, rows.rowPos[r] / KEY_BLOCK) * Hkv + g;
      if (type != CacheType::F32) {
        writePosition(type, static_cast<uint8_t*>(c.t[2]) + page * keyBytes, at, k + r * ldk + g * hsk, D, at, KEY_BLOCK);
        writePosition(type, static_cast<uint8_t*>(c.t[3]) + page * valueBytes, at, v + r * ldv + g * hsv, Dv, at * Dv, 1);
        continue;
      }
      // Positions of a sequence in a row are one small transposition.
      while (next < end && at + next - r < KEY_BLOCK && rows.rowSeq[next] == rows.rowSeq[r] && rows.rowPos[next] == rows.rowPos[r] + next - r) next++;
      transpose(k + r * ldk + g * hsk, ldk, next - r, D, keys + page * D * KEY_BLOCK + at, KEY_BLOCK);
      for (int64_t i = r; i < next; i++)
        memcpy(values + (page * KEY_BLOCK + at + i - r) * Dv, v + i * ldv + g * hsv, static_cast<size_t>(Dv) * 4);
    }
  });
}

/** Rows of a task: as many as leave work for all threads, and fit the second-level cache. */
int64_t rowsOfTask(int64_t R, int64_t Hkv, int64_t group, int64_t threads) {
  int64_t count = 16;
  while (count > 1 && (R * Hkv < 4 * threads * count || count * group > 256)) count /= 2;
  return count;
}

// t = q, key pages, value pages, table, rowSeq, rowPos, out; a = R, Hq, Hkv, D, Dv, scale, window, ldq, hsq, ldo, maxBlocks, type
void attentionCached(Pool& pool, const Command& c) {
  const float *q = c.f(0), *keys = c.f(1), *values = c.f(2);
  const Table table{c.i32(3), c.i32(4), c.i32(5), c.dim(10)};
  float* out = c.f(6);
  const int64_t R = c.dim(0), Hq = c.dim(1), Hkv = c.dim(2), D = c.dim(3), Dv = c.dim(4), window = c.dim(6), ldq = c.dim(7), hsq = c.dim(8), ldo = c.dim(9);
  const float scale = c.scalar(5);
  const CacheType type = static_cast<CacheType>(c.dim(11));
  const int64_t group = Hq / Hkv, tile = rowsOfTask(R, Hkv, group, pool.threads()), tiles = (R + tile - 1) / tile;
  pool.parallel(tiles * Hkv, [&](int64_t task, int thread) {
    // Rows run faster than heads, so that samples of one prompt find its pages of this head in the cache.
    const int64_t g = task / tiles, begin = task % tiles * tile, count = begin + tile < R ? tile : R - begin;
    AttentionRows rows(pool.threadScratch(thread, AttentionRows::bytes(count * group, D, Dv)), count * group, D, Dv, scale);
    int64_t firstBlock = INT64_MAX, lastBlock = -1;
    for (int64_t i = 0; i < count; i++) {
      const int64_t r = begin + i, last = table.skips(r) ? -1 : table.rowPos[r];
      const int64_t first = window > 0 && last >= window ? last - window + 1 : 0;
      rows.set(i * group, group, q + r * ldq + g * group * hsq, hsq, first, last);
      if (last < 0) continue;
      if (first / KEY_BLOCK < firstBlock) firstBlock = first / KEY_BLOCK;
      if (last / KEY_BLOCK > lastBlock) lastBlock = last / KEY_BLOCK;
    }
    /** The next rows [from, to) that read one page, at or behind (block, from); none left: a block behind the last. */
    struct Step { int64_t block, from, to, page; };
    const auto find = [&](int64_t block, int64_t from) {
      for (; block <= lastBlock; block++, from = 0) {
        const auto sees = [&](int64_t i) { return rows.first[i * group] < (block + 1) * KEY_BLOCK && rows.last[i * group] >= block * KEY_BLOCK; };
        while (from < count && !sees(from)) from++;
        if (from == count) continue;
        const int64_t page = table.page(begin + from, block);
        int64_t to = from + 1;
        while (to < count && sees(to) && table.page(begin + to, block) == page) to++;
        return Step{block, from, to, page};
      }
      return Step{block, 0, 0, 0};
    };
    float* wide = type == CacheType::F32 ? nullptr : static_cast<float*>(pool.threadScratch(thread, static_cast<size_t>(KEY_BLOCK * (D + Dv)) * 4, 1));
    const auto widened = [&](const Step& step) {
      const int64_t head = step.page * Hkv + g, behind = (step.block + 1) * KEY_BLOCK;
      int64_t positions = 0;
      for (int64_t i = step.from; i < step.to; i++) {
        const int64_t end = rows.last[i * group] + 1 < behind ? rows.last[i * group] + 1 - step.block * KEY_BLOCK : KEY_BLOCK;
        if (end > positions) positions = end;
      }
      widenKeys(type, static_cast<const uint8_t*>(c.t[1]) + head * pageBytes(type, D), D, positions, wide);
      widenValues(type, static_cast<const uint8_t*>(c.t[2]) + head * pageBytes(type, Dv), Dv, positions, wide + KEY_BLOCK * D);
      return Page{wide, KEY_BLOCK, wide + KEY_BLOCK * D, Dv};
    };
    const auto pageOf = [&](const Step& step) {
      const int64_t at = (step.page * Hkv + g) * KEY_BLOCK;
      return step.block <= lastBlock ? Page{keys + at * D, KEY_BLOCK, values + at * Dv, Dv} : Page{};
    };
    for (Step step = find(firstBlock, 0), next; step.block <= lastBlock; step = next) {
      next = find(step.block, step.to);
      if (wide) rows.attend(step.from * group, step.to * group, step.block, widened(step));
      else rows.attend(step.from * group, step.to * group, step.block, pageOf(step), pageOf(next));
    }
    for (int64_t i = 0; i < count; i++)
      for (int64_t h = 0; h < group; h++) rows.finish(i * group + h, out + (begin + i) * ldo + (g * group + h) * Dv);
  });
}

// t = pages (in place), from, to; a = n, elements a page
void cacheCopy(Pool& pool, const Command& c) {
  float* pages = c.f(0);
  const int32_t *from = c.i32(1), *to = c.i32(2);
  const int64_t n = c.dim(0), size = c.dim(1), slice = 4096;
  // A task owns a slice of every page and copies in order, so pages may be read and overwritten in one call.
  pool.parallel((size + slice - 1) / slice, [&](int64_t i, int) {
    const int64_t begin = i * slice, count = begin + slice < size ? slice : size - begin;
    for (int64_t j = 0; j < n; j++)
      if (from[j] != to[j]) memcpy(pages + to[j] * size + begin, pages + from[j] * size + begin, static_cast<size_t>(count) * 4);
  });
}

}  // namespace

extern const Entry attention_cached_kernels[] = {
  {"cacheAppend", cacheAppend}, {"attentionCached", attentionCached}, {"cacheCopy", cacheCopy}, {nullptr, nullptr}};

}  // namespace ts::ISA
