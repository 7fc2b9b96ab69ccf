// attentionBackward (src/engine/ops/attention.ts). δ_i = Σ_c dout·out (16 lanes and their tree). With p recomputed from lse,
// for every query row i that sees key j:
//   p = exp(scale·q·k − lse);  dp = dout·v;  ds = p (dp − δ) scale;   dv_j += p dout_i;  dk_j += ds q_i;  dq_i += ds k_j
// Every element of dq is one chain of fma over the keys in order, every element of dk and dv one over the query rows in
// order (query by query, its heads in order), however the work is cut. It is cut in one of two ways, by what is quicker:
//   whole   a task owns a document and a key head and forms all three gradients: five products a pair of blocks
//   halves  tasks own some queries (dq) or a block of keys (dk, dv): seven products, but many more tasks
#include "attention-documents.h"

namespace ts::ISA {
namespace {

struct Gradients { float *dq, *dk, *dv, *delta; };

struct Problem {
  AttentionShape s;
  const float *q, *k, *v, *out, *lse, *dout;
  Gradients grads;
  Transposed keys, values;
  int64_t queries;  // of a piece: it does not depend on the number of threads
};

/** Some queries of one document under the heads of one key head, gathered: `rows` rows, query by query. */
struct Chunk {
  const Problem& p;
  const Piece& piece;
  int64_t g, begin, rows;  // key head, first query in the document
  float *q, *dout, *dq;    // (rows, D), (rows, Dv), (rows, D)
  float *weights, *ds;     // (rows, 64)
  float *lse, *delta;      // (rows)

  static size_t bytes(int64_t rows, const AttentionShape& s) { return static_cast<size_t>(rows * (2 * s.D + s.Dv + 2 * KEY_BLOCK + 2)) * sizeof(float); }

  Chunk(void* memory, const Problem& p, const Piece& piece, int64_t g)
      : p(p), piece(piece), g(g), begin(piece.index * p.queries), rows(piece.count * p.s.group) {
    const AttentionShape& s = p.s;
    weights = static_cast<float*>(memory);
    ds = weights + rows * KEY_BLOCK;
    q = ds + rows * KEY_BLOCK;
    dout = q + rows * s.D;
    dq = dout + rows * s.Dv;
    lse = dq + rows * s.D;
    delta = lse + rows;
    for (int64_t i = 0, r = 0; i < piece.count; i++)
      for (int64_t h = g * s.group; h < (g + 1) * s.group; h++, r++) {
        const int64_t t = row() + i, o = t * s.ldo + h * s.Dv;
        copyHead(q + r * s.D, p.q + t * s.ldq + h * s.hsq, s.D);
        lse[r] = p.lse[t * s.Hq + h];
        copyHead(dout + r * s.Dv, p.dout + o, s.Dv);
        delta[r] = dot(dout + r * s.Dv, p.out + o, s.Dv);
      }
    memset(dq, 0, static_cast<size_t>(rows * s.D) * 4);
  }

  int64_t row() const { return piece.row + begin; }
  int64_t firstBlock() const { return p.s.firstSeen(begin) / KEY_BLOCK; }
  int64_t lastBlock() const { return (begin + piece.count - 1) / KEY_BLOCK; }
  Range seenBy(int64_t r, int64_t block) const {
    const int64_t i = begin + r / p.s.group;
    return seenOf(block, p.s.firstSeen(i), i);
  }

  /** p and ds for the keys of one block, `n` of which exist; 0 where a row does not see a key. */
  void weigh(int64_t block, int64_t n) const {
    const AttentionShape& s = p.s;
    const int64_t key = piece.row + block * KEY_BLOCK;
    for (int64_t r = 0; r < rows; r += TILE_ROWS) {
      const int64_t count = least(TILE_ROWS, rows - r);
      const int64_t begin = most(0, seenBy(r, block).from) / 16 * 16, end = (seenBy(r + count - 1, block).to + 15) / 16 * 16;
      float *pr = weights + r * KEY_BLOCK, *dr = ds + r * KEY_BLOCK;
      if (end - begin < KEY_BLOCK) {
        memset(pr, 0, static_cast<size_t>(count * KEY_BLOCK) * 4);
        memset(dr, 0, static_cast<size_t>(count * KEY_BLOCK) * 4);
        if (end <= begin) continue;
      }
      product(count, end - begin, {s.D, q + r * s.D, s.D, p.keys.at(key, n, g) + begin, n, pr + begin, KEY_BLOCK});
      product(count, end - begin, {s.Dv, dout + r * s.Dv, s.Dv, p.values.at(key, n, g) + begin, n, dr + begin, KEY_BLOCK});
      for (int64_t i = 0; i < count; i++) {
        const Range range = seenBy(r + i, block);
        if (range.from <= begin && range.to >= end) soften<false>(r + i, begin, end, range);
        else soften<true>(r + i, begin, end, range);
      }
    }
  }

  /** From q·k and dout·v to p and ds. EDGE: the row does not see all of these keys. */
  template <bool EDGE>
  TS_INLINE void soften(int64_t r, int64_t begin, int64_t end, Range keys) const {
    const V16 scale = broadcast(p.s.scale), norm = broadcast(lse[r]), shift = broadcast(delta[r]);
    for (int64_t j = begin; j < end; j += 16) {
      float *pj = weights + r * KEY_BLOCK + j, *dj = ds + r * KEY_BLOCK + j;
      V16 weight = expBelow(load(pj) * scale - norm);
      V16 d = (weight * (load(dj) - shift)) * scale;
      if (EDGE) {
        const M16 mask = seen(j, keys);
        weight = select(mask, weight, zero());
        d = select(mask, d, zero());
      }
      store(pj, weight);
      store(dj, d);
    }
  }

  /** dq += ds · k */
  void addQueries(int64_t block) const {
    const AttentionShape& s = p.s;
    const float* k = p.k + (piece.row + block * KEY_BLOCK) * s.ldk + g * s.hsk;
    for (int64_t r = 0; r < rows; r += TILE_ROWS) {
      const int64_t count = least(TILE_ROWS, rows - r);
      const int64_t from = seenBy(r, block).from, to = seenBy(r + count - 1, block).to;
      if (from < to) product(count, s.D, {to - from, ds + r * KEY_BLOCK + from, KEY_BLOCK, k + from * s.ldk, s.ldk, dq + r * s.D, s.D, Start::C});
    }
  }

  /** dk += dsᵀ · q, dv += pᵀ · dout; the first chunk that sees a key begins its chains. */
  void addKeys(int64_t block, int64_t n) const {
    const AttentionShape& s = p.s;
    const int64_t first = block * KEY_BLOCK;
    for (int64_t j = 0; j < n; j += TILE_ROWS) {
      const int64_t count = least(TILE_ROWS, n - j), key = piece.row + first + j;
      // Queries that see one of these keys: from the first key's own on, until the window leaves the last one behind.
      const int64_t from = most(0, first + j - begin) * s.group;
      const int64_t to = s.window > 0 ? least(rows, (first + j + count - 1 + s.window - begin) * s.group) : rows;
      if (from >= to) continue;
      const Start start = first + j >= begin ? Start::ZERO : Start::C;
      float *dk = p.grads.dk + key * s.ldk + g * s.hsk, *dv = p.grads.dv + key * s.ldv + g * s.hsv;
      product<Form::TRANSPOSED>(count, s.D, {to - from, ds + from * KEY_BLOCK + j, KEY_BLOCK, q + from * s.D, s.D, dk, s.ldk, start});
      product<Form::TRANSPOSED>(count, s.Dv, {to - from, weights + from * KEY_BLOCK + j, KEY_BLOCK, dout + from * s.Dv, s.Dv, dv, s.ldv, start});
    }
  }

  void storeQueries() const {
    const AttentionShape& s = p.s;
    for (int64_t i = 0, r = 0; i < piece.count; i++)
      for (int64_t h = g * s.group; h < (g + 1) * s.group; h++, r++) {
        copyHead(p.grads.dq + (row() + i) * s.ldq + h * s.hsq, dq + r * s.D, s.D);
        p.grads.delta[(row() + i) * s.Hq + h] = delta[r];
      }
  }
};

/** Keys of a block of the document. */
int64_t keysOf(const Piece& piece, int64_t block) { return least(KEY_BLOCK, piece.length - block * KEY_BLOCK); }

/** Pieces of every document, and the order in which documents are worked on: long ones first. */
struct Order {
  int32_t *first, *document;  // (documents + 1), (documents)

  Order(Pool& pool, int slot, const Pieces& pieces, const AttentionShape& s, const int32_t* starts) {
    first = static_cast<int32_t*>(pool.scratch(slot, static_cast<size_t>(2 * s.documents + 1) * sizeof(int32_t)));
    document = first + s.documents + 1;
    int64_t piece = 0;
    for (int64_t d = 0; d < s.documents; d++) {
      first[d] = static_cast<int32_t>(piece);
      while (piece < pieces.count && pieces[piece].document == d) piece++;
      int64_t at = d;
      const auto length = [&](int64_t i) { return starts[i + 1] - starts[i]; };
      for (; at > 0 && length(document[at - 1]) < length(d); at--) document[at] = document[at - 1];
      document[at] = static_cast<int32_t>(d);
    }
    first[s.documents] = static_cast<int32_t>(piece);
  }
};

/** Whether tasks of whole documents keep `threads` busy at least as well as 7/5 of the work in many small tasks. */
bool wholeDocuments(const AttentionShape& s, const int32_t* starts, int64_t threads) {
  double largest = 0, total = 0;
  for (int64_t d = 0; d < s.documents; d++) {
    const double n = starts[d + 1] - starts[d], pairs = s.window > 0 && n > s.window ? n * s.window : n * (n + 1) / 2;
    largest = pairs > largest ? pairs : largest;
    total += pairs * s.Hkv;
  }
  const int64_t tasks = s.documents * s.Hkv, rounds = ceilDiv(tasks, threads);
  const double even = total / tasks * rounds, whole = even > largest ? even : largest;
  return whole <= 1.4 * total / threads;
}

// t = q, k, v, out, lse, docs, dout, dq, dk, dv, delta
void attentionBackward(Pool& pool, const Command& c) {
  const AttentionShape s(c);
  const int32_t* starts = c.i32(5);
  int64_t queries = KEY_BLOCK;
  while (queries > 1 && queries * s.group > 96) queries /= 2;
  const Problem p{s, c.f(0), c.f(1), c.f(2), c.f(3), c.f(4), c.f(6), {c.f(7), c.f(8), c.f(9), c.f(10)},
                  Transposed(pool, 0, s, s.D), Transposed(pool, 1, s, s.Dv), queries};
  const Pieces blocks(pool, 2, starts, s, KEY_BLOCK), pieces(pool, 3, starts, s, queries);
  const Order order(pool, 4, pieces, s, starts);
  pool.parallel(blocks.count, [&](int64_t i, int) {
    p.keys.pack(blocks[i], p.k, s.ldk, s.hsk);
    p.values.pack(blocks[i], p.v, s.ldv, s.hsv);
  });
  const auto chunkOf = [&](int64_t piece, int64_t g, int thread) {
    return Chunk(pool.threadScratch(thread, Chunk::bytes(queries * s.group, s)), p, pieces[piece], g);
  };

  if (wholeDocuments(s, starts, pool.threads())) {
    pool.parallel(s.documents * s.Hkv, [&](int64_t task, int thread) {
      const int64_t d = order.document[task / s.Hkv], g = task % s.Hkv;
      for (int64_t i = order.first[d]; i < order.first[d + 1]; i++) {
        const Chunk chunk = chunkOf(i, g, thread);
        for (int64_t b = chunk.firstBlock(); b <= chunk.lastBlock(); b++) {
          const int64_t n = keysOf(chunk.piece, b);
          chunk.weigh(b, n);
          chunk.addQueries(b);
          chunk.addKeys(b, n);
        }
        chunk.storeQueries();
      }
    });
    return;
  }

  const int64_t keyTasks = blocks.count * s.Hkv;
  pool.parallel(keyTasks + pieces.count * s.Hkv, [&](int64_t task, int thread) {
    const int64_t g = task % s.Hkv;
    if (task < keyTasks) {
      const Piece& block = blocks[task / s.Hkv];
      for (int64_t i = order.first[block.document] + block.index * KEY_BLOCK / queries; i < order.first[block.document + 1]; i++) {
        if (s.firstSeen(pieces[i].index * queries) >= (block.index + 1) * KEY_BLOCK) break;
        const Chunk chunk = chunkOf(i, g, thread);
        chunk.weigh(block.index, block.count);
        chunk.addKeys(block.index, block.count);
      }
      return;
    }
    const Chunk chunk = chunkOf(pieces.count - 1 - (task - keyTasks) / s.Hkv, g, thread);
    for (int64_t b = chunk.firstBlock(); b <= chunk.lastBlock(); b++) {
      chunk.weigh(b, keysOf(chunk.piece, b));
      chunk.addQueries(b);
    }
    chunk.storeQueries();
  });
}

}  // namespace

extern const Entry attention_backward_kernels[] = {{"attentionBackward", attentionBackward}, {nullptr, nullptr}};

}  // namespace ts::ISA
