// The kernel families of every instruction set in this build. The tables are written by scripts/build-native.js from
// the files in native/kernels/, in the order of their names: a kernel's id is its place in that list.
#pragma once
#include "kernel.h"

namespace ts {

struct InstructionSet {
  const char* name;             // avx512, avx2, baseline or neon
  const Entry* const* families;  // each family's table, then null
};

extern const InstructionSet instructionSets[];  // the best first, then {nullptr, nullptr}

}  // namespace ts
