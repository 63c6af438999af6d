// Counts a process's mutex locks and how many had to wait: LD_PRELOAD it, with LOCK_COUNTS naming a
// file of 24 bytes that it maps and counts in, three 64-bit numbers (see `lock_counts`). Mutexes
// inside malloc and condition variables are not seen.
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>

namespace {

using counter = std::atomic<std::uint64_t>;

struct lock_counts {
  counter num_locks;
  counter num_waits;
  counter ns_waited;
};

lock_counts* map_counts() {
  const char* path = std::getenv("LOCK_COUNTS");
  if (path == nullptr) return nullptr;
  const int file = open(path, O_RDWR | O_CLOEXEC);
  if (file < 0) return nullptr;
  void* at = mmap(nullptr, sizeof(lock_counts), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  return at == MAP_FAILED ? nullptr : static_cast<lock_counts*>(at);
}

lock_counts* counts() {
  static lock_counts* const here = map_counts();
  return here;
}

int lock_for_real(pthread_mutex_t* mutex) {
  using lock_function = int (*)(pthread_mutex_t*);
  static const auto lock = reinterpret_cast<lock_function>(dlsym(RTLD_NEXT, "pthread_mutex_lock"));
  return lock(mutex);
}

}  // namespace

extern "C" int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  lock_counts* const here = counts();
  if (here == nullptr) return lock_for_real(mutex);
  here->num_locks.fetch_add(1, std::memory_order_relaxed);
  if (pthread_mutex_trylock(mutex) == 0) return 0;
  const auto start = std::chrono::steady_clock::now();
  const int result = lock_for_real(mutex);
  const auto waited = std::chrono::steady_clock::now() - start;
  here->num_waits.fetch_add(1, std::memory_order_relaxed);
  here->ns_waited.fetch_add(static_cast<std::uint64_t>(waited.count()), std::memory_order_relaxed);
  return result;
}
