// Packed documents as the attention kernels see them: strides and dimensions of the command, the list of key blocks (64
// positions of one document each), and keys or values of all blocks transposed to (channel, position).
#pragma once
#include "attention-rows.h"
#include "attention-transpose.h"
#include "kernel.h"
#include "pool.h"
#include "rows.h"

namespace ts::ISA {

/** Attributes of `attention` and `attentionBackward` (src/engine/ops/attention.ts). */
struct AttentionShape {
  int64_t documents, Hq, Hkv, D, Dv, window, ldq, hsq, ldk, hsk, ldv, hsv, ldo, T;
  int64_t group;  // query heads of a key head: g·group … g·group + group − 1
  float scale;

  explicit AttentionShape(const Command& c)
      : documents(c.dim(0)), Hq(c.dim(1)), Hkv(c.dim(2)), D(c.dim(3)), Dv(c.dim(4)), window(c.dim(6)), ldq(c.dim(7)), hsq(c.dim(8)),
        ldk(c.dim(9)), hsk(c.dim(10)), ldv(c.dim(11)), hsv(c.dim(12)), ldo(c.dim(13)), T(c.dim(14)), group(Hq / Hkv), scale(c.scalar(5)) {}

  /** The first position that position i sees. */
  int64_t firstSeen(int64_t i) const { return window > 0 && i >= window ? i - window + 1 : 0; }
};

/** Positions index·size … of a document, `count` of them; row: where the document begins, length: its own. */
struct Piece { int32_t document, row, length, index, count; };

/** Documents cut into pieces of `size` positions, in order. */
struct Pieces {
  Piece* list;
  int64_t count = 0;

  Pieces(Pool& pool, int slot, const int32_t* starts, const AttentionShape& s, int64_t size) {
    for (int64_t d = 0; d < s.documents; d++) count += ceilDiv(starts[d + 1] - starts[d], size);
    list = static_cast<Piece*>(pool.scratch(slot, static_cast<size_t>(count + 1) * sizeof(Piece)));
    int64_t at = 0;
    for (int64_t d = 0; d < s.documents; d++) {
      const int32_t row = starts[d], length = starts[d + 1] - row;
      for (int64_t i = 0; i * size < length; i++)
        list[at++] = {static_cast<int32_t>(d), row, length, static_cast<int32_t>(i), static_cast<int32_t>(least(size, length - i * size))};
    }
  }
  const Piece& operator[](int64_t i) const { return list[i]; }
};

/** Heads (T, Hkv, channels) transposed block by block: the block of n positions that begins at row t of the matrix and
 *  head g lie at t·Hkv·channels + g·channels·n as (channels, n). Rows of 16 may be read beyond their n. */
struct Transposed {
  float* data;
  int64_t Hkv, channels;

  Transposed(Pool& pool, int slot, const AttentionShape& s, int64_t channels) : Hkv(s.Hkv), channels(channels) {
    data = static_cast<float*>(pool.scratch(slot, static_cast<size_t>(s.T * s.Hkv * channels + KEY_BLOCK) * sizeof(float)));
  }
  float* at(int64_t row, int64_t n, int64_t head) const { return data + row * Hkv * channels + head * channels * n; }

  void pack(const Piece& block, const float* from, int64_t ld, int64_t headStride) const {
    const int64_t row = block.row + block.index * KEY_BLOCK;
    for (int64_t g = 0; g < Hkv; g++)
      transpose(from + row * ld + g * headStride, ld, block.count, channels, at(row, block.count, g), block.count);
  }
};

}  // namespace ts::ISA
