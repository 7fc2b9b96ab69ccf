// Philox4x32-10 (Salmon et al., SC 2011), as in src/engine/random.ts: a random word is a pure function of
// (seed, stream, counter).
#pragma once
#include <cstdint>

namespace ts::ISA {

/** Word (counter mod 4) of block (counter div 4) of the stream. */
inline uint32_t randomWord(uint32_t seedLow, uint32_t seedHigh, int64_t stream, int64_t counter) {
  const int64_t block = counter >> 2;
  uint32_t c[4] = {static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), static_cast<uint32_t>(stream), static_cast<uint32_t>(stream >> 32)};
  uint32_t k0 = seedLow, k1 = seedHigh;
  for (int round = 0; round < 10; round++) {
    const uint64_t p0 = uint64_t{0xd2511f53} * c[0], p1 = uint64_t{0xcd9e8d57} * c[2];
    c[0] = static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k0;
    c[1] = static_cast<uint32_t>(p1);
    c[2] = static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k1;
    c[3] = static_cast<uint32_t>(p0);
    k0 += 0x9e3779b9;
    k1 += 0xbb67ae85;
  }
  return c[counter & 3];
}

}  // namespace ts::ISA
