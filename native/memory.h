// Memory: a zeroed, aligned region that tensors lie in. Large regions are mapped on 2 MiB borders and ask for huge
// pages, which spares the matrix products most of their address translation.
#pragma once
#include <cstdlib>
#include <cstring>
#include <new>

#if !defined(_WIN32)
#include <sys/mman.h>
#endif

namespace ts {

class Memory {
 public:
  explicit Memory(size_t bytes) : bytes(bytes) {
    [[maybe_unused]] constexpr size_t huge = size_t(2) << 20;
#if defined(_WIN32)
    data = _aligned_malloc(bytes ? bytes : 64, 64);
    if (!data) throw std::bad_alloc();
    memset(data, 0, bytes);
#else
    if (bytes < huge) {
      if (posix_memalign(&data, 64, bytes ? bytes : 64)) throw std::bad_alloc();
      memset(data, 0, bytes);
      return;
    }
    if (bytes > SIZE_MAX - 2 * huge) throw std::bad_alloc();
    mappedBytes = (bytes + huge - 1) / huge * huge + huge;
    mapped = mmap(nullptr, mappedBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    data = reinterpret_cast<void*>((reinterpret_cast<size_t>(mapped) + huge - 1) / huge * huge);
#if defined(MADV_HUGEPAGE)
    madvise(data, mappedBytes - huge, MADV_HUGEPAGE);
#endif
#endif
  }
  ~Memory() {
#if defined(_WIN32)
    _aligned_free(data);
#else
    if (mapped) munmap(mapped, mappedBytes);
    else ::free(data);
#endif
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  char* at(size_t offset) const { return static_cast<char*>(data) + offset; }
  const size_t bytes;

 private:
  void* data = nullptr;
#if !defined(_WIN32)
  void* mapped = nullptr;
  size_t mappedBytes = 0;
#endif
};

}  // namespace ts
