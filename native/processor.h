// What the processor has and the system saves, asked by cpuid and xgetbv: __builtin_cpu_supports asks the compiler's runtime
// library, and not every one answers (zig's always says no). All is inlined, so that kernels of two instruction sets may ask.
#pragma once

#if defined(__x86_64__)
#include <cpuid.h>

namespace ts {

struct Processor { bool avx2, avx512, vnni; };  // avx2: with FMA, F16C and the bit instructions that come with it

static inline __attribute__((always_inline)) Processor askProcessor() {
  unsigned a, b, c, d, low, high, extended = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return {};
  constexpr unsigned needed = 1u << 12 | 1u << 23 | 1u << 27 | 1u << 28 | 1u << 29;  // FMA, POPCNT, OSXSAVE, AVX, F16C
  if ((c & needed) != needed) return {};
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((low & 0x6) != 0x6) return {};
  if (__get_cpuid(0x80000001u, &a, &b, &c, &d)) extended = c;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return {};
  const auto has = [](unsigned word, unsigned bits) __attribute__((always_inline)) { return (word & bits) == bits; };
  Processor p{};
  p.avx2 = has(b, 1u << 3 | 1u << 5 | 1u << 8) && has(extended, 1u << 5);  // BMI1, AVX2, BMI2; LZCNT
#if defined(__APPLE__)
  const bool saved = true;  // macOS begins to save the wide registers when they are first used
#else
  const bool saved = (low & 0xe0) == 0xe0;
#endif
  p.avx512 = p.avx2 && saved && has(b, 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31);  // F, DQ, BW, VL
  p.vnni = p.avx512 && has(c, 1u << 11);
  return p;
}

}  // namespace ts
#endif
