// The thread pool under the kernels: one per process, one job at a time, tiles handed out dynamically.
// A kernel cuts its output into tiles that one task owns and calls `parallel`; which thread computes a tile never
// changes its value. A barrier is the end of `parallel`: use as few as can be.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <type_traits>

namespace ts {

struct Pool {
  /** Calls fn(tile, thread) for every tile in 0..tiles-1; returns when all are done. The caller takes part as thread 0.
   *  Within a tile, a further call runs on the same thread. An exception in a tile is thrown again here. */
  template <class F>
  void parallel(int64_t tiles, F&& fn) {
    using Function = std::remove_reference_t<F>;
    run(tiles, [](void* f, int64_t tile, int thread) { (*static_cast<Function*>(f))(tile, thread); },
        const_cast<void*>(static_cast<const void*>(&fn)));
  }

  /** Threads that share a job begun here: inside a tile, its own thread alone. */
  int threads() const { return insideTile() ? 1 : threadCount; }
  bool insideTile() const;

  /** Memory shared by the tiles of a kernel, 64-byte aligned, kept and grown; its content does not outlive the kernel.
   *  Slots 0..8, of which 7 and 8 are the matrix product's; call it outside of tiles. */
  void* scratch(int slot, size_t bytes);
  /** Memory of one thread, likewise; call it inside a tile, with the tile's thread. Slots 0..3, 3 for the product. */
  void* threadScratch(int thread, size_t bytes, int slot = 0);
  size_t scratchBytes() const;

  /** Ends the running kernel with a message, which the promise of run() is rejected with. Also inside tiles. */
  [[noreturn]] void fail(const char* format, ...) __attribute__((format(printf, 2, 3)));

  /** Takes effect before the next program runs. */
  void setThreads(int count) { wantedThreads = count < 1 ? 1 : count; }
  int wanted() const { return wantedThreads; }

  /** Held while a program runs: programs of several callers go one after another. */
  std::unique_lock<std::mutex> enter();

  /** The pool of this process. It is never destroyed, because workers may outlive the main thread's statics. */
  static Pool& process();
  explicit Pool(int threads);

 private:
  struct Workers;
  using Tile = void (*)(void* context, int64_t tile, int thread);
  void run(int64_t tiles, Tile function, void* context);

  Workers* workers;
  int threadCount = 1;
  std::atomic<int> wantedThreads;
  std::mutex entrance;
};

/** TIEFSUCHE_THREADS, or the cores this process may use (one per core where cores run two threads). */
int defaultThreads();

}  // namespace ts
