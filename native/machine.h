// Which instruction sets this machine runs, and what it calls itself.
#pragma once
#include <cstring>
#include <string>

#include "processor.h"

namespace ts {

inline bool machineHas(const char* isa) {
#if defined(__x86_64__)
  static const Processor processor = askProcessor();
  if (!strcmp(isa, "avx2")) return processor.avx2;
  if (!strcmp(isa, "avx512")) return processor.avx512;
#endif
#if defined(__aarch64__)
  if (!strcmp(isa, "neon")) return true;
#endif
  return !strcmp(isa, "baseline");
}

inline std::string machineName() {
#if defined(__x86_64__)
  unsigned words[12] = {};
  for (unsigned i = 0; i < 3; i++) __get_cpuid(0x80000002u + i, &words[4 * i], &words[4 * i + 1], &words[4 * i + 2], &words[4 * i + 3]);
  char text[49] = {};
  memcpy(text, words, 48);
  const char* start = text;
  while (*start == ' ') start++;
  return start;
#elif defined(__aarch64__)
  return "arm64";
#else
  return "unknown";
#endif
}

}  // namespace ts
