// attention: causal attention over packed documents (src/engine/ops/attention.ts; the arithmetic: attention-rows.h).
// First all key blocks are transposed; then a task owns some queries of one document under all heads of one key head, and
// walks the blocks they see: the keys and values of a block serve queries × heads rows from the first-level cache.
#include "attention-documents.h"

namespace ts::ISA {
namespace {

/** Queries of a task, a power of two of at most 64: rows that fit the second-level cache, and enough tasks. */
int64_t queriesOfTask(const AttentionShape& s, int64_t threads) {
  int64_t queries = KEY_BLOCK;
  while (queries > 8 && (queries * s.group > 256 || s.T / queries * s.Hkv < 6 * threads)) queries /= 2;
  return queries;
}

// t = q, k, v, out, lse, docs
void attention(Pool& pool, const Command& c) {
  const AttentionShape s(c);
  const float *q = c.f(0), *k = c.f(1), *v = c.f(2);
  float *out = c.f(3), *lse = c.f(4);
  const int32_t* starts = c.i32(5);
  const int64_t queries = queriesOfTask(s, pool.threads());
  const Pieces blocks(pool, 0, starts, s, KEY_BLOCK), pieces(pool, 1, starts, s, queries);
  const Transposed keys(pool, 2, s, s.D);
  pool.parallel(blocks.count, [&](int64_t i, int) { keys.pack(blocks[i], k, s.ldk, s.hsk); });

  pool.parallel(pieces.count * s.Hkv, [&](int64_t task, int thread) {
    const Piece& piece = pieces[pieces.count - 1 - task / s.Hkv];  // the last of a document is the longest: it goes first
    const int64_t g = task % s.Hkv, begin = piece.index * queries, count = piece.count * s.group;
    AttentionRows rows(pool.threadScratch(thread, AttentionRows::bytes(count, s.D, s.Dv)), count, s.D, s.Dv, s.scale);
    for (int64_t i = 0; i < piece.count; i++)
      rows.set(i * s.group, s.group, q + (piece.row + begin + i) * s.ldq + g * s.group * s.hsq, s.hsq, s.firstSeen(begin + i), begin + i);

    for (int64_t b = s.firstSeen(begin) / KEY_BLOCK; b * KEY_BLOCK < begin + piece.count; b++) {
      const int64_t row = piece.row + b * KEY_BLOCK, n = least(KEY_BLOCK, piece.length - b * KEY_BLOCK);
      int64_t until = count;  // a small window leaves this block behind for the later queries
      while (until > 0 && rows.first[until - 1] >= (b + 1) * KEY_BLOCK) until--;
      rows.attend(0, until, b, {keys.at(row, n, g), n, v + row * s.ldv + g * s.hsv, s.ldv});
    }

    for (int64_t i = 0; i < piece.count; i++) {
      const int64_t t = piece.row + begin + i;
      for (int64_t h = 0; h < s.group; h++) rows.finish(i * s.group + h, out + t * s.ldo + (g * s.group + h) * s.Dv);
    }
    rows.logSums(count);
    for (int64_t r = 0; r < count; r++) lse[(piece.row + begin + r / s.group) * s.Hq + g * s.group + r % s.group] = rows.m[r];
  });
}

}  // namespace

extern const Entry attention_kernels[] = {{"attention", attention}, {nullptr, nullptr}};

}  // namespace ts::ISA
