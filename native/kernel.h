// The contract between the recorded program and the kernels.
// A program is a list of commands; a command is a kernel, its tensors (plain pointers, null where optional) and its
// scalar attributes. TypeScript (src/engine/ops) says what each kernel computes and in which order its arguments stand.
#pragma once
#include <cstddef>
#include <cstdint>
#include <stdexcept>

namespace ts {

struct Pool;  // pool.h: parallel_for over tiles

struct Command {
  void* const* t;    // tensors, in the op's order
  const double* a;   // attributes, in the op's order (dimensions, strides in elements, flags, scalars)
  int tensors, attributes;

  float* f(int i) const { return static_cast<float*>(t[i]); }
  int32_t* i32(int i) const { return static_cast<int32_t*>(t[i]); }
  int64_t dim(int i) const { return static_cast<int64_t>(at(i)); }
  float scalar(int i) const { return static_cast<float>(at(i)); }
  bool flag(int i) const { return at(i) != 0; }
  /** One that was left out is whatever lies behind the others: refused, not read. */
  double at(int i) const {
    if (__builtin_expect(i >= attributes, 0)) throw std::out_of_range("a kernel was given too few attributes");
    return a[i];
  }
};

using Kernel = void (*)(Pool&, const Command&);

/** Several commands of one kernel that do not touch what the others write, as one job. */
using Together = void (*)(Pool&, const Command* commands, int64_t count);

struct Entry { const char* name; Kernel kernel; Together together = nullptr; };

// Every kernel file is compiled once per instruction set inside `namespace ts::ISA`, and lists its kernels in a table
// `extern const Entry FAMILY_kernels[]` that ends with {nullptr, nullptr}.

}  // namespace ts
