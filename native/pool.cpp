// Pool: the open tiles of the current job are one 64-bit word, (job number, tiles left). A thread owns a tile when it
// has taken one off that word, so a worker that wakes up late finds either no tile or one of a newer, complete job:
// nobody has to wait for sleepers. A job ends when as many tiles are done as it had.
#include "pool.h"

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "memory.h"

#if defined(__linux__)
#include <sched.h>
#endif

namespace ts {
namespace {

constexpr std::chrono::microseconds SPIN{50};
constexpr int SLOTS = 9, THREAD_SLOTS = 4;

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/** Spins until `ready`, at most SPIN long. */
template <class F>
bool spin(F ready) {
  const auto end = std::chrono::steady_clock::now() + SPIN;
  do {
    for (int i = 0; i < 32; i++) {
      if (ready()) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

struct Block {
  std::unique_ptr<Memory> memory;

  void* atLeast(size_t wanted) {
    if (bytes() < wanted || !memory) {
      const size_t step = wanted < (size_t(1) << 18) ? 4096 : size_t(2) << 20;  // whole huge pages
      memory.reset();
      memory = std::make_unique<Memory>((wanted + step - 1) / step * step);
    }
    return memory->at(0);
  }
  size_t bytes() const { return memory ? memory->bytes : 0; }
};

thread_local int insideTileOf = -1;  // the thread's index while it computes a tile

struct Inside {
  const int before = insideTileOf;
  explicit Inside(int thread) { insideTileOf = thread; }
  ~Inside() { insideTileOf = before; }
};

}  // namespace

struct Pool::Workers {
  // The current job. Written only while no tile is open.
  Tile function = nullptr;
  void* context = nullptr;
  int64_t tiles = 0;
  alignas(64) std::atomic<uint64_t> open{0};  // job << 32 | tiles left
  alignas(64) std::atomic<int64_t> done{0};
  alignas(64) std::atomic<int> sleepers{0};
  std::atomic<bool> callerSleeps{false}, stopping{false};
  std::mutex mutex;
  std::condition_variable wake, finished;
  std::exception_ptr failure;  // under mutex
  std::vector<std::thread> threads;
  Block shared[SLOTS];
  std::vector<std::array<Block, THREAD_SLOTS + SLOTS>> own;  // the last SLOTS: shared slots asked for inside a tile

  /** Computes tiles until none is open. */
  void work(int thread) {
    uint64_t word = open.load();
    while (static_cast<uint32_t>(word) != 0) {
      if (!open.compare_exchange_weak(word, word - 1)) continue;
      const int64_t total = tiles;
      try {
        Inside inside(thread);
        function(context, total - static_cast<int64_t>(static_cast<uint32_t>(word)), thread);
      } catch (...) {
        std::lock_guard<std::mutex> lock(mutex);
        if (!failure) failure = std::current_exception();
      }
      if (done.fetch_add(1) + 1 == total && callerSleeps.load()) {
        std::lock_guard<std::mutex> lock(mutex);
        finished.notify_one();
      }
      word = open.load();
    }
  }

  bool hasWork() const { return static_cast<uint32_t>(open.load(std::memory_order_relaxed)) != 0; }

  void loop(int thread) {
    while (!stopping.load()) {
      if (spin([&] { return hasWork() || stopping.load(); })) {
        work(thread);
        continue;
      }
      std::unique_lock<std::mutex> lock(mutex);
      sleepers++;
      wake.wait(lock, [&] { return static_cast<uint32_t>(open.load()) != 0 || stopping.load(); });
      sleepers--;
    }
  }

  void resize(int count) {
    {
      std::lock_guard<std::mutex> lock(mutex);
      stopping = true;
      wake.notify_all();
    }
    for (std::thread& t : threads) t.join();
    threads.clear();
    stopping = false;
    own.resize(count);
    for (int i = 1; i < count; i++) threads.emplace_back([this, i] { loop(i); });
  }
};

Pool::Pool(int threads) : workers(new Workers), wantedThreads(threads < 1 ? 1 : threads) { workers->own.resize(1); }

Pool& Pool::process() {
  static Pool* pool = new Pool(defaultThreads());
  return *pool;
}

std::unique_lock<std::mutex> Pool::enter() {
  std::unique_lock<std::mutex> lock(entrance);
  const int wanted = wantedThreads;
  if (wanted != threadCount) {
    workers->resize(wanted);
    threadCount = wanted;
  }
  return lock;
}

void Pool::run(int64_t tiles, Tile function, void* context) {
  if (tiles <= 0) return;
  if (insideTileOf >= 0 || threadCount == 1 || tiles == 1) {
    Inside inside(insideTileOf < 0 ? 0 : insideTileOf);
    for (int64_t i = 0; i < tiles; i++) function(context, i, insideTileOf);
    return;
  }
  if (tiles > INT32_MAX) fail("a job of %lld tiles is too finely cut", static_cast<long long>(tiles));
  Workers& w = *workers;
  w.function = function;
  w.context = context;
  w.tiles = tiles;
  w.done = 0;
  const uint64_t job = (w.open.load() >> 32) + 1;
  w.open = job << 32 | static_cast<uint64_t>(tiles);
  const int sleeping = w.sleepers;
  if (sleeping > 0) {
    std::lock_guard<std::mutex> lock(w.mutex);
    if (tiles > sleeping) w.wake.notify_all();
    else for (int64_t i = 1; i < tiles; i++) w.wake.notify_one();
  }
  w.work(0);
  const auto complete = [&] { return w.done.load() == tiles; };
  if (!spin(complete)) {
    std::unique_lock<std::mutex> lock(w.mutex);
    w.callerSleeps = true;
    w.finished.wait(lock, complete);
    w.callerSleeps = false;
  }
  std::exception_ptr failure;
  {
    std::lock_guard<std::mutex> lock(w.mutex);
    std::swap(failure, w.failure);
  }
  if (failure) std::rethrow_exception(failure);
}

bool Pool::insideTile() const { return insideTileOf >= 0; }

void* Pool::scratch(int slot, size_t bytes) {
  if (slot < 0 || slot >= SLOTS) fail("scratch slot %d does not exist", slot);
  return (insideTileOf < 0 ? workers->shared[slot] : workers->own[insideTileOf][THREAD_SLOTS + slot]).atLeast(bytes);
}

void* Pool::threadScratch(int thread, size_t bytes, int slot) {
  if (slot < 0 || slot >= THREAD_SLOTS) fail("scratch slot %d of a thread does not exist", slot);
  return workers->own[thread][slot].atLeast(bytes);
}

size_t Pool::scratchBytes() const {
  size_t total = 0;
  for (const Block& b : workers->shared) total += b.bytes();
  for (const auto& thread : workers->own)
    for (const Block& b : thread) total += b.bytes();
  return total;
}

void Pool::fail(const char* format, ...) {
  char message[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  throw std::runtime_error(message);
}

int defaultThreads() {
  if (const char* text = getenv("TIEFSUCHE_THREADS")) {
    const int n = atoi(text);
    if (n > 0) return n;
  }
  int usable = static_cast<int>(std::thread::hardware_concurrency());
#if defined(__linux__)
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
    std::set<std::string> cores;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
      if (!CPU_ISSET(cpu, &allowed)) continue;
      std::string siblings;
      std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list");
      cores.insert(std::getline(file, siblings) ? siblings : std::to_string(cpu));
    }
    usable = static_cast<int>(cores.size());
  }
  std::ifstream quota("/sys/fs/cgroup/cpu.max");  // "max 100000" or "<microseconds> <period>"
  double limit = 0, period = 0;
  if (quota >> limit >> period && period > 0) {
    const int whole = static_cast<int>((limit + period - 1) / period);
    if (whole < usable) usable = whole;
  }
#endif
  return usable < 1 ? 1 : usable;
}

}  // namespace ts
