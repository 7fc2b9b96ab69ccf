// The addon: memory handles and the execution of recorded programs, by plain C Node-API. Context-aware: worker threads
// load it too, and share the one pool of the process.
//   kernels(): string[]              info(): {isa, isas, threads, fma, cpu, scratchBytes}       setThreads(n)
//   allocate(bytes): handle          free(handle)      upload / download(handle, byteOffset, typedArray)
//   run(buffers, program, cancel, {repeat, profile, jobs}): Promise<commands done>        runSync: the same, at once
// Jobs are parts of the program that all threads share. Runs of rows (src/engine/row-runs.ts): [first command, commands,
// rows, (attribute 0 of a row, bytes from row to row per tensor) per command]…; chains side by side (side-by-side.ts):
// [first command, commands, 0, chains, (commands of the chain)…].
// Program: [kernel, tensors, attributes, (buffer, byteOffset) per tensor, attributes …]…; buffer -1 is a null pointer.
#include <node_api.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "families.h"
#include "machine.h"
#include "memory.h"
#include "pool.h"

namespace ts {
namespace {

// ---- instruction set and kernels -----------------------------------------------------------------------------------

struct Machine {
  std::string isa, problem;
  std::vector<std::string> isas;
  std::vector<Entry> kernels;

  Machine() {
    const char* wanted = getenv("TIEFSUCHE_ISA");
    const InstructionSet* chosen = nullptr;
    for (const InstructionSet* set = instructionSets; set->name; set++) {
      if (!machineHas(set->name)) continue;
      isas.push_back(set->name);
      if (!chosen && (!wanted || !*wanted || !strcmp(wanted, set->name))) chosen = set;
    }
    if (!chosen) {
      problem = std::string("TIEFSUCHE_ISA=") + (wanted ? wanted : "") + " does not run on this machine; choose one of:";
      for (const std::string& name : isas) problem += " " + name;
      return;
    }
    isa = chosen->name;
    for (const Entry* const* family = chosen->families; *family; family++)
      for (const Entry* entry = *family; entry->name; entry++) kernels.push_back(*entry);
  }

  static const Machine& get() {
    static const Machine* machine = new Machine;
    return *machine;
  }
};

// ---- errors and values ---------------------------------------------------------------------------------------------

struct Error {
  enum Kind { TYPE, RANGE, PLAIN } kind;
  std::string message;
};

void check(napi_env env, napi_status status) {
  if (status == napi_ok) return;
  const napi_extended_error_info* info = nullptr;
  napi_get_last_error_info(env, &info);
  throw Error{Error::TYPE, info && info->error_message ? info->error_message : "Node-API call failed"};
}

napi_value text(napi_env env, const std::string& s) {
  napi_value v;
  check(env, napi_create_string_utf8(env, s.data(), s.size(), &v));
  return v;
}

napi_value number(napi_env env, double x) {
  napi_value v;
  check(env, napi_create_double(env, x, &v));
  return v;
}

napi_value undefined(napi_env env) {
  napi_value v;
  check(env, napi_get_undefined(env, &v));
  return v;
}

bool absent(napi_env env, napi_value v) {
  napi_valuetype type;
  check(env, napi_typeof(env, v, &type));
  return type == napi_undefined || type == napi_null;
}

/** A whole number that fits in 53 bits. */
int64_t whole(napi_env env, napi_value v, const char* what) {
  double x = 0;
  if (napi_get_value_double(env, v, &x) != napi_ok || !(x >= 0) || x > 9007199254740991.0 || x != static_cast<double>(static_cast<int64_t>(x)))
    throw Error{Error::RANGE, std::string(what) + " must be a whole number, not negative"};
  return static_cast<int64_t>(x);
}

struct Array {
  napi_typedarray_type type;
  void* data;
  size_t length, bytes;
};

Array typedArray(napi_env env, napi_value v, const char* what) {
  Array a{};
  if (napi_get_typedarray_info(env, v, &a.type, &a.length, &a.data, nullptr, nullptr) != napi_ok)
    throw Error{Error::TYPE, std::string(what) + " must be a typed array"};
  static const size_t size[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
  const size_t known = sizeof size / sizeof *size;
  if (static_cast<size_t>(a.type) >= known) throw Error{Error::TYPE, std::string(what) + ": unknown kind of typed array"};
  a.bytes = a.length * size[a.type];
  return a;
}

Array typedArray(napi_env env, napi_value v, napi_typedarray_type type, const char* what) {
  const Array a = typedArray(env, v, what);
  if (a.type != type) throw Error{Error::TYPE, std::string(what)};
  return a;
}

// ---- memory --------------------------------------------------------------------------------------------------------

constexpr uint64_t HANDLE = 0x7469656673756368;  // "tiefsuch"

struct Handle {
  uint64_t magic = HANDLE;
  std::shared_ptr<Memory> memory;  // programs under way hold it too
};

Handle& handleOf(napi_env env, napi_value v) {
  napi_valuetype type;
  void* pointer = nullptr;
  if (napi_typeof(env, v, &type) != napi_ok || type != napi_external || napi_get_value_external(env, v, &pointer) != napi_ok ||
      !pointer || static_cast<Handle*>(pointer)->magic != HANDLE)
    throw Error{Error::TYPE, "not a memory handle of this addon"};
  return *static_cast<Handle*>(pointer);
}

const std::shared_ptr<Memory>& memoryOf(napi_env env, napi_value v) {
  const Handle& handle = handleOf(env, v);
  if (!handle.memory) throw Error{Error::PLAIN, "this memory was freed"};
  return handle.memory;
}

void release(napi_env env, Handle& handle) {
  if (!handle.memory) return;
  int64_t now;
  napi_adjust_external_memory(env, -static_cast<int64_t>(handle.memory->bytes), &now);
  handle.memory.reset();
}

napi_value allocate(napi_env env, napi_value* args) {
  const int64_t bytes = whole(env, args[0], "the size in bytes");
  auto handle = std::make_unique<Handle>();
  try {
    handle->memory = std::make_shared<Memory>(static_cast<size_t>(bytes));
  } catch (const std::bad_alloc&) {
    throw Error{Error::PLAIN, "no memory for " + std::to_string(bytes) + " bytes"};
  }
  const auto finalize = [](napi_env e, void* data, void*) {
    Handle* h = static_cast<Handle*>(data);
    release(e, *h);
    delete h;
  };
  napi_value v;
  check(env, napi_create_external(env, handle.get(), finalize, nullptr, &v));
  handle.release();
  int64_t now;
  napi_adjust_external_memory(env, bytes, &now);
  return v;
}

napi_value freeMemory(napi_env env, napi_value* args) {
  release(env, handleOf(env, args[0]));
  return undefined(env);
}

void copy(napi_env env, napi_value* args, bool up) {
  const Memory& memory = *memoryOf(env, args[0]);
  const size_t offset = static_cast<size_t>(whole(env, args[1], "the byte offset"));
  const Array array = typedArray(env, args[2], "the data");
  if (offset > memory.bytes || array.bytes > memory.bytes - offset)
    throw Error{Error::RANGE, "bytes " + std::to_string(offset) + " to " + std::to_string(offset + array.bytes) +
                                  " do not lie within a memory of " + std::to_string(memory.bytes) + " bytes"};
  if (array.bytes == 0) return;
  if (up) memcpy(memory.at(offset), array.data, array.bytes);
  else memcpy(array.data, memory.at(offset), array.bytes);
}

napi_value upload(napi_env env, napi_value* args) { copy(env, args, true); return undefined(env); }
napi_value download(napi_env env, napi_value* args) { copy(env, args, false); return undefined(env); }

// ---- programs ------------------------------------------------------------------------------------------------------

/** Commands that a thread takes a block of rows through or, without rows, chains of commands that a thread does alone. */
struct Job {
  size_t first = 0, count = 0;
  int64_t rows = 0;
  const double* members = nullptr;  // in Program::jobWords
  std::vector<size_t> chains;       // their first commands, and where the last one ends
};

struct Program {
  std::vector<std::shared_ptr<Memory>> memories;
  std::vector<double> words;
  std::vector<void*> pointers;
  std::vector<int> ids;
  std::vector<Command> commands;
  std::vector<double> jobWords;
  std::vector<Job> jobs;
  int64_t repeat = 1;
  const int32_t* cancel = nullptr;
  std::vector<double> profile;  // (count, seconds) per kernel; empty if not wanted
  double* profileTarget = nullptr;
  int64_t done = 0;
  std::atomic<size_t> failed{SIZE_MAX};  // the command that threw
  std::string failure;
  // only for run():
  napi_async_work work = nullptr;
  napi_deferred deferred = nullptr;
  napi_ref cancelRef = nullptr, profileRef = nullptr;

  void decode();
  void decodeJobs();
  void execute();
  double compute(Pool& pool, size_t i, const Command& command);
  void executeRun(Pool& pool, const Job& run);
  void executeChains(Pool& pool, const Job& job);
  void executeAlone(Pool& pool, size_t i);
  void report() {
    for (size_t i = 0; i < profile.size(); i++) profileTarget[i] += profile[i];
  }
};

void Program::decode() {
  const std::vector<Entry>& kernels = Machine::get().kernels;
  std::vector<size_t> firstPointer;
  size_t at = 0;
  const auto bad = [&](const std::string& what) {
    throw Error{Error::RANGE, "program, command " + std::to_string(commands.size()) + ": " + what};
  };
  while (at < words.size()) {
    if (words.size() - at < 3) bad("cut off");
    const double id = words[at], tensors = words[at + 1], attributes = words[at + 2];
    if (!(id >= 0 && id < kernels.size()) || id != static_cast<int>(id)) bad("there is no kernel " + std::to_string(id));
    const auto name = [&] { return std::string(kernels[static_cast<size_t>(id)].name); };
    const double left = static_cast<double>(words.size() - at - 3);
    if (!(tensors >= 0 && attributes >= 0 && 2 * tensors + attributes <= left)) bad(name() + " is cut off");
    at += 3;
    firstPointer.push_back(pointers.size());
    for (int i = 0; i < static_cast<int>(tensors); i++, at += 2) {
      const double buffer = words[at], offset = words[at + 1];
      if (buffer == -1) {
        pointers.push_back(nullptr);
        continue;
      }
      if (!(buffer >= 0 && buffer < memories.size())) bad(name() + ", tensor " + std::to_string(i) + ": there is no such buffer");
      const Memory& memory = *memories[static_cast<size_t>(buffer)];
      if (!(offset >= 0 && offset <= static_cast<double>(memory.bytes)) || static_cast<size_t>(offset) % 4)
        bad(name() + ", tensor " + std::to_string(i) + ": byte offset " + std::to_string(offset) + " lies outside of its buffer or between two elements");
      pointers.push_back(memory.at(static_cast<size_t>(offset)));
    }
    ids.push_back(static_cast<int>(id));
    commands.push_back({nullptr, words.data() + at, static_cast<int>(tensors), static_cast<int>(attributes)});
    at += static_cast<size_t>(attributes);
  }
  for (size_t i = 0; i < commands.size(); i++) commands[i].t = pointers.data() + firstPointer[i];
}

/** Rows of a block: what a layer keeps of them should fit a core's cache; a multiple of the blocks of rmsNormBackward. */
constexpr int64_t ROWS = 64;
constexpr int MOST_TENSORS = 16, MOST_ATTRIBUTES = 16;

void Program::decodeJobs() {
  const auto bad = [] { throw Error{Error::RANGE, "jobs must be whole and lie within the program, one after another"}; };
  size_t at = 0, from = 0;
  const auto next = [&] {
    if (at >= jobWords.size()) bad();
    return jobWords[at++];
  };
  while (at < jobWords.size()) {
    const double first = next(), count = next(), rows = next();
    if (!(first >= from && count >= 1 && first + count <= commands.size() && rows >= 0 && rows < 1e15)) bad();
    from = static_cast<size_t>(first + count);
    Job job{static_cast<size_t>(first), static_cast<size_t>(count), static_cast<int64_t>(rows), nullptr, {}};
    if (rows == 0) {
      const double chains = next();
      if (!(chains >= 1 && chains <= count)) bad();
      job.chains.push_back(job.first);
      for (size_t i = 0; i < static_cast<size_t>(chains); i++) {
        const double length = next(), start = static_cast<double>(job.chains.back());
        if (!(length >= 1 && start + length <= from)) bad();
        job.chains.push_back(static_cast<size_t>(start + length));
      }
      if (job.chains.back() != from) bad();
    } else {
      job.members = jobWords.data() + at;
      for (size_t i = job.first; i < from; i++) {
        if (commands[i].tensors > MOST_TENSORS || commands[i].attributes < 1 || commands[i].attributes > MOST_ATTRIBUTES) bad();
        at += 1 + static_cast<size_t>(commands[i].tensors);
        if (at > jobWords.size()) bad();
      }
    }
    jobs.push_back(std::move(job));
  }
}

using Clock = std::chrono::steady_clock;
double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/** Runs the kernel of command i on `command`, that one or a part of it; remembers it if it fails. Returns seconds where they are wanted. */
double Program::compute(Pool& pool, size_t i, const Command& command) {
  const auto start = profile.empty() ? Clock::time_point() : Clock::now();
  try {
    Machine::get().kernels[ids[i]].kernel(pool, command);
  } catch (...) {
    failed = i;
    throw;
  }
  return profile.empty() ? 0 : since(start);
}

/** A thread takes a block of rows through all commands before the next one. */
void Program::executeRun(Pool& pool, const Job& run) {
  const int threads = pool.threads();
  std::vector<double> seconds(profile.empty() ? 0 : run.count * static_cast<size_t>(threads));
  pool.parallel((run.rows + ROWS - 1) / ROWS, [&](int64_t block, int thread) {
    const int64_t from = block * ROWS, rows = run.rows - from < ROWS ? run.rows - from : ROWS;
    const double* member = run.members;
    for (size_t i = 0; i < run.count; i++) {
      const Command& whole = commands[run.first + i];
      void* tensors[MOST_TENSORS];
      double attributes[MOST_ATTRIBUTES];
      attributes[0] = member[0] * static_cast<double>(rows);
      for (int j = 1; j < whole.attributes; j++) attributes[j] = whole.a[j];
      for (int j = 0; j < whole.tensors; j++)
        tensors[j] = whole.t[j] ? static_cast<char*>(whole.t[j]) + static_cast<int64_t>(member[1 + j] * static_cast<double>(from)) : nullptr;
      member += 1 + whole.tensors;
      const double took = compute(pool, run.first + i, {tensors, attributes, whole.tensors, whole.attributes});
      if (!profile.empty()) seconds[i * static_cast<size_t>(threads) + static_cast<size_t>(thread)] += took;
    }
  });
  for (size_t i = 0; i < seconds.size(); i++) profile[2 * ids[run.first + i / static_cast<size_t>(threads)] + 1] += seconds[i] / threads;
}

void Program::executeAlone(Pool& pool, size_t i) {
  const double took = compute(pool, i, commands[i]);
  if (!profile.empty()) profile[2 * ids[i] + 1] += took;
}

/** Neighbours of one kernel as its own job, where it has one; else each chain on a thread of its own, if there are enough. */
void Program::executeChains(Pool& pool, const Job& job) {
  const Entry& kernel = Machine::get().kernels[ids[job.first]];
  const int threads = pool.threads();
  const size_t end = job.first + job.count, chains = job.chains.size() - 1;
  if (kernel.together && std::all_of(ids.begin() + job.first, ids.begin() + end, [&](int id) { return id == ids[job.first]; })) {
    const auto start = profile.empty() ? Clock::time_point() : Clock::now();
    kernel.together(pool, commands.data() + job.first, static_cast<int64_t>(job.count));
    if (!profile.empty()) profile[2 * ids[job.first] + 1] += since(start);
    return;
  }
  if (chains < 2 * static_cast<size_t>(threads)) {
    for (size_t i = job.first; i < end; i++) executeAlone(pool, i);
    return;
  }
  std::vector<double> seconds(profile.empty() ? 0 : job.count);
  pool.parallel(static_cast<int64_t>(chains), [&](int64_t chain, int) {
    for (size_t i = job.chains[chain]; i < job.chains[chain + 1]; i++) {
      const double took = compute(pool, i, commands[i]);
      if (!profile.empty()) seconds[i - job.first] = took;
    }
  });
  for (size_t i = 0; i < seconds.size(); i++) profile[2 * ids[job.first + i] + 1] += seconds[i] / threads;
}

void Program::execute() {
  const std::vector<Entry>& kernels = Machine::get().kernels;
  Pool& pool = Pool::process();
  const auto turn = pool.enter();
  size_t i = 0;
  const auto fail = [&](const char* what) {
    if (failed >= i && failed < commands.size()) i = failed;
    failure = std::string("kernel ") + kernels[ids[i]].name + " (command " + std::to_string(i) + "): " + what;
  };
  try {
    for (int64_t round = 0; round < repeat; round++) {
      auto job = jobs.begin();
      for (i = 0; i < commands.size();) {
        if (cancel && __atomic_load_n(cancel, __ATOMIC_RELAXED) != 0) return;
        size_t count = 1;
        if (job != jobs.end() && job->first == i) {
          count = job->count;
          if (job->rows > 0) executeRun(pool, *job);
          else executeChains(pool, *job);
          job++;
        } else executeAlone(pool, i);
        if (!profile.empty()) for (size_t j = i; j < i + count; j++) profile[2 * ids[j]] += 1;
        i += count;
        done += static_cast<int64_t>(count);
      }
    }
  } catch (const std::bad_alloc&) {
    fail("no memory left");
  } catch (const std::exception& e) {
    fail(e.what());
  }
}

/** The program, with its arguments checked. */
std::unique_ptr<Program> programOf(napi_env env, napi_value* args) {
  auto program = std::make_unique<Program>();
  uint32_t count = 0;
  if (napi_get_array_length(env, args[0], &count) != napi_ok) throw Error{Error::TYPE, "the buffers must be an array of handles"};
  for (uint32_t i = 0; i < count; i++) {
    napi_value v;
    check(env, napi_get_element(env, args[0], i, &v));
    program->memories.push_back(memoryOf(env, v));
  }
  const Array words = typedArray(env, args[1], napi_float64_array, "the program must be a Float64Array");
  const double* first = static_cast<const double*>(words.data);
  program->words.assign(first, first + words.length);
  if (!absent(env, args[2])) {
    const Array cancel = typedArray(env, args[2], napi_int32_array, "cancel must be an Int32Array");
    if (cancel.length < 1) throw Error{Error::RANGE, "cancel must have an element"};
    program->cancel = static_cast<const int32_t*>(cancel.data);
  }
  if (!absent(env, args[3])) {
    napi_value v;
    check(env, napi_get_named_property(env, args[3], "repeat", &v));
    if (!absent(env, v)) program->repeat = whole(env, v, "repeat");
    check(env, napi_get_named_property(env, args[3], "jobs", &v));
    if (!absent(env, v)) {
      const Array jobs = typedArray(env, v, napi_float64_array, "jobs must be a Float64Array");
      program->jobWords.assign(static_cast<const double*>(jobs.data), static_cast<const double*>(jobs.data) + jobs.length);
    }
    check(env, napi_get_named_property(env, args[3], "profile", &v));
    if (!absent(env, v)) {
      const Array profile = typedArray(env, v, napi_float64_array, "profile must be a Float64Array");
      const size_t wanted = 2 * Machine::get().kernels.size();
      if (profile.length < wanted) throw Error{Error::RANGE, "profile must have two elements per kernel: " + std::to_string(wanted)};
      program->profile.resize(wanted);
      program->profileTarget = static_cast<double*>(profile.data);
    }
  }
  program->decode();
  program->decodeJobs();
  return program;
}

napi_value runSync(napi_env env, napi_value* args) {
  const auto program = programOf(env, args);
  program->execute();
  program->report();
  if (!program->failure.empty()) throw Error{Error::PLAIN, program->failure};
  return number(env, static_cast<double>(program->done));
}

void settle(napi_env env, napi_status status, void* data) {
  std::unique_ptr<Program> program(static_cast<Program*>(data));
  napi_delete_async_work(env, program->work);
  program->report();
  if (program->cancelRef) napi_delete_reference(env, program->cancelRef);
  if (program->profileRef) napi_delete_reference(env, program->profileRef);
  if (status != napi_ok) program->failure = "the program was not started";
  napi_value v, message;
  if (program->failure.empty()) {
    napi_create_double(env, static_cast<double>(program->done), &v);
    napi_resolve_deferred(env, program->deferred, v);
  } else {
    napi_create_string_utf8(env, program->failure.data(), program->failure.size(), &message);
    napi_create_error(env, nullptr, message, &v);
    napi_reject_deferred(env, program->deferred, v);
  }
}

napi_value run(napi_env env, napi_value* args) {
  auto program = programOf(env, args);
  if (program->cancel) check(env, napi_create_reference(env, args[2], 1, &program->cancelRef));
  if (program->profileTarget) {
    napi_value v;
    check(env, napi_get_named_property(env, args[3], "profile", &v));
    check(env, napi_create_reference(env, v, 1, &program->profileRef));
  }
  napi_value promise;
  check(env, napi_create_promise(env, &program->deferred, &promise));
  const auto execute = [](napi_env, void* data) { static_cast<Program*>(data)->execute(); };
  check(env, napi_create_async_work(env, nullptr, text(env, "tiefsuche"), execute, settle, program.get(), &program->work));
  check(env, napi_queue_async_work(env, program->work));
  program.release();
  return promise;
}

// ---- exports -------------------------------------------------------------------------------------------------------

napi_value kernels(napi_env env, napi_value*) {
  napi_value list;
  check(env, napi_create_array(env, &list));
  uint32_t i = 0;
  for (const Entry& entry : Machine::get().kernels) check(env, napi_set_element(env, list, i++, text(env, entry.name)));
  return list;
}

napi_value info(napi_env env, napi_value*) {
  const Machine& machine = Machine::get();
  napi_value v, isas, fma;
  check(env, napi_create_object(env, &v));
  check(env, napi_create_array(env, &isas));
  uint32_t i = 0;
  for (const std::string& isa : machine.isas) check(env, napi_set_element(env, isas, i++, text(env, isa)));
  check(env, napi_get_boolean(env, machine.isa != "baseline", &fma));
  const std::pair<const char*, napi_value> properties[] = {
      {"isa", text(env, machine.isa)}, {"isas", isas}, {"threads", number(env, Pool::process().wanted())},
      {"fma", fma}, {"cpu", text(env, machineName())},
      {"scratchBytes", number(env, static_cast<double>(Pool::process().scratchBytes()))}};
  for (const auto& [key, value] : properties) check(env, napi_set_named_property(env, v, key, value));
  return v;
}

napi_value setThreads(napi_env env, napi_value* args) {
  const int64_t n = whole(env, args[0], "the number of threads");
  if (n < 1 || n > 1024) throw Error{Error::RANGE, "the number of threads must be 1 to 1024"};
  Pool::process().setThreads(static_cast<int>(n));
  return undefined(env);
}

/** Turns C++ errors into JavaScript ones, and always gives `f` four arguments. */
template <napi_value (*f)(napi_env, napi_value*)>
napi_value guarded(napi_env env, napi_callback_info callback) {
  size_t count = 4;
  napi_value args[4];
  napi_get_cb_info(env, callback, &count, args, nullptr, nullptr);
  try {
    return f(env, args);
  } catch (const Error& e) {
    bool pending = false;
    napi_is_exception_pending(env, &pending);
    if (pending) return nullptr;
    if (e.kind == Error::TYPE) napi_throw_type_error(env, nullptr, e.message.c_str());
    else if (e.kind == Error::RANGE) napi_throw_range_error(env, nullptr, e.message.c_str());
    else napi_throw_error(env, nullptr, e.message.c_str());
  } catch (const std::exception& e) {
    napi_throw_error(env, nullptr, e.what());
  }
  return nullptr;
}

template <napi_value (*f)(napi_env, napi_value*)>
void give(napi_env env, napi_value exports, const char* name) {
  napi_value v;
  check(env, napi_create_function(env, name, NAPI_AUTO_LENGTH, guarded<f>, nullptr, &v));
  check(env, napi_set_named_property(env, exports, name, v));
}

napi_value load(napi_env env, napi_value exports) {
  if (!Machine::get().problem.empty()) {
    napi_throw_error(env, nullptr, Machine::get().problem.c_str());
    return nullptr;
  }
  give<kernels>(env, exports, "kernels");
  give<info>(env, exports, "info");
  give<setThreads>(env, exports, "setThreads");
  give<allocate>(env, exports, "allocate");
  give<freeMemory>(env, exports, "free");
  give<upload>(env, exports, "upload");
  give<download>(env, exports, "download");
  give<run>(env, exports, "run");
  give<runSync>(env, exports, "runSync");
  return exports;
}

}  // namespace
}  // namespace ts

NAPI_MODULE_INIT() { return ts::load(env, exports); }
