// Weights out of a file into their last place, in one pass on all threads: a task reads some rows into its own memory (pread:
// nothing is mapped, so a file never counts twice), looks at every value, and lays them where products read them.
//   16 bits and blocks: into panels (few-bits.h); f32, f16, bf16 also into rows of f32.
// Block layouts: ggml-common.h, read, not copied; src/engine/panels-from-files.ts says the same in TypeScript and is what this
// is tested against. GGUF keeps rows of q and k for a rotation of neighbours: row 2j + t of a head is row t·D/2 + j here.
#include "few-bits.h"
#include "rows.h"

#if !defined(_WIN32)
#include <cerrno>
#include <unistd.h>
#endif

namespace ts::ISA {
namespace {

/** In the order of src/engine/file-rows.ts. */
enum class Stored { F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, MXFP4 };

/** Values and bytes of a block, the type in memory, and the bytes at which f16 scales stand (-1: none). */
struct Layout { int values, bytes; Few few; int scale, second; };

constexpr Layout layoutOf(Stored type) {
  switch (type) {
    case Stored::F32: return {1, 4, Few::F16, -1, -1};
    case Stored::F16: return {1, 2, Few::F16, -1, -1};
    case Stored::BF16: return {1, 2, Few::BF16, -1, -1};
    case Stored::Q4_0: return {32, 18, Few::Q4, 0, -1};
    case Stored::Q4_1: return {32, 20, Few::Q4, 0, 2};
    case Stored::Q5_0: return {32, 22, Few::Q5, 0, -1};
    case Stored::Q5_1: return {32, 24, Few::Q5, 0, 2};
    case Stored::Q8_0: return {32, 34, Few::Q8, 0, -1};
    case Stored::Q4_K: return {256, 144, Few::Q4K, 0, 2};
    case Stored::Q5_K: return {256, 176, Few::Q5K, 0, 2};
    case Stored::Q6_K: return {256, 210, Few::Q6K, 208, -1};
    case Stored::MXFP4: return {32, 17, Few::MX4, -1, -1};
  }
  return {};
}

constexpr int64_t TASK = 131072;  // bytes of a file that a thread reads at a time: they stay in its second cache

uint16_t half(const uint8_t* p) { uint16_t bits; memcpy(&bits, p, 2); return bits; }
uint32_t word(const uint8_t* p) { uint32_t bits; memcpy(&bits, p, 4); return bits; }
void put(uint8_t* p, uint16_t bits) { memcpy(p, &bits, 2); }
void put(uint8_t* p, uint32_t bits) { memcpy(p, &bits, 4); }

void readFully(Pool& pool, int fd, void* to, int64_t bytes, int64_t position) {
#if defined(_WIN32)
  (void)fd, (void)to, (void)bytes, (void)position;
  pool.fail("files are not read natively on Windows");
#else
  for (int64_t done = 0; done < bytes;) {
    const ssize_t got = pread(fd, static_cast<char*>(to) + done, static_cast<size_t>(bytes - done), static_cast<off_t>(position + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) pool.fail("the file could not be read: %s", strerror(errno));
    if (got == 0) pool.fail("the file became shorter while it was being read");
    done += got;
  }
#endif
}

// ---- every value must be a number ----------------------------------------------------------------------------------

/** Whether none of n values has all the bits of its exponent. */
template <class T>
bool finite(const T* p, int64_t n, T exponent) {
  T bad = 0;
  for (int64_t i = 0; i < n; i++) bad |= static_cast<T>((p[i] & exponent) == exponent);
  return bad == 0;
}

bool finite(Stored type, const uint8_t* bytes, int64_t size) {
  if (type == Stored::F32) return finite(reinterpret_cast<const uint32_t*>(bytes), size / 4, 0x7f800000u);
  if (type == Stored::F16 || type == Stored::BF16) return finite(reinterpret_cast<const uint16_t*>(bytes), size / 2, static_cast<uint16_t>(type == Stored::F16 ? 0x7c00 : 0x7f80));
  const Layout layout = layoutOf(type);
  bool good = true;
  for (const uint8_t* b = bytes; b < bytes + size; b += layout.bytes) {
    if (type == Stored::MXFP4) good &= *b <= 252;  // 6 · 2^(253 − 127) is beyond f32
    else good &= (half(b + layout.scale) & 0x7c00) != 0x7c00 && (layout.second < 0 || (half(b + layout.second) & 0x7c00) != 0x7c00);
  }
  return good;
}

// ---- 16 bits -------------------------------------------------------------------------------------------------------

/** to[k][0..15] = row i's value k; the rows begin at from[i]. */
void layHalves(const uint8_t* const* from, int64_t K, uint16_t* to) {
  int64_t k = 0;
#if defined(__SSE2__)
  for (; k + 8 <= K; k += 8)
    for (int h = 0; h < 16; h += 8) {
      __m128i r[8], s[8];
      for (int i = 0; i < 8; i++) r[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from[h + i] + 2 * k));
      for (int i = 0; i < 4; i++) { s[2 * i] = _mm_unpacklo_epi16(r[i], r[i + 4]); s[2 * i + 1] = _mm_unpackhi_epi16(r[i], r[i + 4]); }
      for (int i = 0; i < 4; i++) { r[2 * i] = _mm_unpacklo_epi16(s[i], s[i + 4]); r[2 * i + 1] = _mm_unpackhi_epi16(s[i], s[i + 4]); }
      for (int i = 0; i < 4; i++) { s[2 * i] = _mm_unpacklo_epi16(r[i], r[i + 4]); s[2 * i + 1] = _mm_unpackhi_epi16(r[i], r[i + 4]); }
      for (int i = 0; i < 8; i++) _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 16 * (k + i) + h), s[i]);
    }
#endif
  for (; k < K; k++)
    for (int i = 0; i < 16; i++) to[16 * k + i] = half(from[i] + 2 * k);
}

// ---- blocks --------------------------------------------------------------------------------------------------------

/** f16 bits of −2^power x: exact, but for values beyond the range, which become the largest. */
uint16_t minusTimes(uint16_t x, int power) {
  const int sign = (x ^ 0x8000) & 0x8000, exponent = (x >> 10) & 31, mantissa = x & 1023;
  if (exponent >= 31 - power) return static_cast<uint16_t>(sign | 0x7bff);
  if (exponent > 0) return static_cast<uint16_t>(sign | (exponent + power) << 10 | mantissa);
  int m = mantissa << power, e = 0;
  if (m >= 1024) for (e = 1; m >= 2048; e++) m /= 2;
  return static_cast<uint16_t>(sign | e << 10 | (m & 1023));
}

/** Byte j of the result: bits j, 4 + j, … 28 + j of 32. */
uint32_t everyFourth(uint32_t bits) {
  uint32_t out = 0;
  for (int j = 0; j < 4; j++) {
#if defined(__BMI2__)
    out |= _pext_u32(bits, 0x11111111u << j) << (8 * j);
#else
    for (int i = 0; i < 8; i++) out |= (bits >> (4 * i + j) & 1) << (8 * j + i);
#endif
  }
  return out;
}

/** Bit j of each of 32 bytes. */
uint32_t bitOfBytes(const uint8_t* p, int j) {
#if defined(__AVX2__)
  return static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_sll_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)), _mm_cvtsi32_si128(7 - j))));
#else
  uint32_t out = 0;
  for (int k = 0; k < 32; k++) out |= static_cast<uint32_t>(p[k] >> j & 1) << k;
  return out;
#endif
}

/** Block j of a super-block, of Q4_K, Q5_K or Q6_K: 16 bytes of two low halves each, from 32 bytes and the half of them. */
TS_INLINE void pairs(const uint8_t* from, int shift, uint8_t* to) {
  for (int g = 0; g < 4; g++) put(to + 64 * g, (word(from + 4 * g) >> shift & 0x0f0f0f0fu) | (word(from + 16 + 4 * g) >> shift & 0x0f0f0f0fu) << 4);
}

/** One row's blocks into its lane of a panel. */
template <Stored TYPE>
void layRow(const uint8_t* from, int64_t K, int lane, uint8_t* panel) {
  constexpr Layout LAYOUT = layoutOf(TYPE);
  constexpr bool SUPER = LAYOUT.values == 256;
  constexpr int EACH = blockBytes(LAYOUT.few), SCALES = static_cast<int>(scaleBytes(LAYOUT.few, LAYOUT.values));
  uint8_t* scales = panel + K / 32 * EACH;
  for (int64_t b = 0; b < K / 32; b++) {
    const int j = static_cast<int>(b % (LAYOUT.values / 32));
    uint8_t *to = panel + b * EACH + 4 * lane, *scale = scales + (SUPER ? b / 8 : b) * SCALES;
    if constexpr (TYPE == Stored::MXFP4) {
      for (int g = 0; g < 4; g++) put(to + 64 * g, word(from + 1 + 4 * g));
      scale[lane] = from[0];
    } else if constexpr (TYPE == Stored::Q8_0) {
      for (int g = 0; g < 8; g++) put(to + 64 * g, word(from + 2 + 4 * g) ^ 0x80808080u);
      put(scale + 2 * lane, half(from));
    } else if constexpr (!SUPER) {
      constexpr bool MIN = LAYOUT.second >= 0, FIFTH = LAYOUT.few == Few::Q5;
      constexpr int HIGH = MIN ? 4 : 2, LOW = HIGH + (FIFTH ? 4 : 0);
      for (int g = 0; g < 4; g++) put(to + 64 * g, word(from + LOW + 4 * g));
      if constexpr (FIFTH) put(to + 256, everyFourth(word(from + HIGH)));
      put(scale + 2 * lane, half(from));
      put(scale + 32 + 2 * lane, MIN ? half(from + 2) : minusTimes(half(from), FIFTH ? 4 : 3));
    } else if constexpr (TYPE == Stored::Q6_K) {
      pairs(from + (j >> 2) * 64 + (j & 1) * 32, ((j & 3) >> 1) * 4, to);
      for (int h = 0; h < 2; h++) {
        const uint8_t* high = from + 128 + (j >> 2) * 32 + 16 * h;
        uint32_t bits = 0;
        for (int g = 0; g < 4; g++) bits |= (word(high + 4 * g) >> (2 * (j & 3)) & 0x03030303u) << (2 * g);
        put(to + 256 + 64 * h, bits);
      }
      if (j == 0) put(scale + 2 * lane, half(from + 208));
      scale[32 + 32 * j + lane] = from[192 + 2 * j];
      scale[32 + 32 * j + 16 + lane] = from[192 + 2 * j + 1];
    } else {  // Q4_K, Q5_K
      constexpr bool FIFTH = TYPE == Stored::Q5_K;
      pairs(from + (FIFTH ? 48 : 16) + (j >> 1) * 32, (j & 1) * 4, to);
      if constexpr (FIFTH) put(to + 256, everyFourth(bitOfBytes(from + 16, j)));
      if (j == 0) { put(scale + 2 * lane, half(from)); put(scale + 32 + 2 * lane, half(from + 2)); }
      // Six bits each for scale and minimum of block j, the upper two of the last four apart.
      const uint8_t* s = from + 4;
      scale[64 + 32 * j + lane] = static_cast<uint8_t>(j < 4 ? s[j] & 63 : (s[j + 4] & 15) | s[j - 4] >> 6 << 4);
      scale[64 + 32 * j + 16 + lane] = static_cast<uint8_t>(j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | s[j] >> 6 << 4);
    }
    if (j == LAYOUT.values / 32 - 1) from += LAYOUT.bytes;
  }
}

using LayRow = void (*)(const uint8_t*, int64_t, int, uint8_t*);

LayRow layRowOf(Stored type) {
  switch (type) {
    case Stored::Q4_0: return layRow<Stored::Q4_0>;
    case Stored::Q4_1: return layRow<Stored::Q4_1>;
    case Stored::Q5_0: return layRow<Stored::Q5_0>;
    case Stored::Q5_1: return layRow<Stored::Q5_1>;
    case Stored::Q8_0: return layRow<Stored::Q8_0>;
    case Stored::Q4_K: return layRow<Stored::Q4_K>;
    case Stored::Q5_K: return layRow<Stored::Q5_K>;
    case Stored::Q6_K: return layRow<Stored::Q6_K>;
    case Stored::MXFP4: return layRow<Stored::MXFP4>;
    default: return nullptr;
  }
}

// ---- the kernel ----------------------------------------------------------------------------------------------------

void widenRow(Stored type, const uint8_t* from, int64_t K, float* to) {
  if (type == Stored::F32) return memcpy(to, from, static_cast<size_t>(4 * K)), void();
  const uint16_t* bits = reinterpret_cast<const uint16_t*>(from);
  int64_t k = 0;
  for (; k + 16 <= K; k += 16) store(to + k, type == Stored::BF16 ? widen<true>(bits + k) : widen<false>(bits + k));
  for (; k < K; k++) {
    if (type == Stored::F16) { to[k] = halfToFloat(bits[k]); continue; }
    const uint32_t wide = static_cast<uint32_t>(bits[k]) << 16;
    memcpy(to + k, &wide, 4);
  }
}

// t = [panels of a weight, or its rows of f32], a = [file descriptor, position, type, rows, K, first row, D of a head or 0, f32]
void fileRows(Pool& pool, const Command& c) {
  const int fd = static_cast<int>(c.dim(0));
  const Stored type = static_cast<Stored>(c.dim(2));
  const int64_t position = c.dim(1), rows = c.dim(3), K = c.dim(4), first = c.dim(5), D = c.dim(6);
  const bool wide = c.flag(7);
  const Layout layout = layoutOf(type);
  const int64_t rowBytes = K / layout.values * layout.bytes, stride = panelBytes(layout.few, K);
  int64_t unit = most(1, D);
  while (unit % 16) unit += most(1, D);  // whole heads and whole panels
  const int64_t chunk = unit * most(1, TASK / (unit * rowBytes));
  const LayRow lay = layRowOf(type);
  pool.parallel(ceilDiv(rows, chunk), [&](int64_t task, int thread) {
    const int64_t begin = task * chunk, count = least(chunk, rows - begin), size = count * rowBytes;
    const bool inPlace = wide && type == Stored::F32 && D == 0;
    uint8_t* bytes = inPlace ? reinterpret_cast<uint8_t*>(c.f(0) + (first + begin) * K) : static_cast<uint8_t*>(pool.threadScratch(thread, static_cast<size_t>(size + 64)));
    readFully(pool, fd, bytes, size, position + begin * rowBytes);
    if (!finite(type, bytes, size)) pool.fail("a weight is no number");
    if (inPlace) return;
    const auto source = [&](int64_t i) TS_LAMBDA {
      if (D == 0) return bytes + i * rowBytes;
      const int64_t at = i % D;
      return bytes + (i - at + 2 * (at % (D / 2)) + at / (D / 2)) * rowBytes;
    };
    for (int64_t i = 0; i < count;) {
      const int64_t row = first + begin + i;
      const int lane = static_cast<int>(row % 16);
      if (wide) { widenRow(type, source(i++), K, c.f(0) + row * K); continue; }
      uint8_t* panel = static_cast<uint8_t*>(c.t[0]) + row / 16 * stride;
      if (lay) { lay(source(i++), K, lane, panel); continue; }
      if (lane == 0 && i + 16 <= count) {
        const uint8_t* from[16];
        for (int r = 0; r < 16; r++) from[r] = source(i + r);
        layHalves(from, K, reinterpret_cast<uint16_t*>(panel));
        i += 16;
        continue;
      }
      const uint8_t* from = source(i++);
      for (int64_t k = 0; k < K; k++) memcpy(panel + 32 * k + 2 * lane, from + 2 * k, 2);
    }
  });
}

}  // namespace

extern const Entry file_rows_kernels[] = {{"fileRows", fileRows}, {nullptr, nullptr}};

}  // namespace ts::ISA
