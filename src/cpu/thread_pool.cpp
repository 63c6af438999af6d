#include "cpu/thread_pool.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace troupe {
namespace {

// About 20 microseconds: longer than the serial work between two loops of a step, far shorter than
// what would trouble a neighbour.
constexpr int spin_rounds = 400;

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

void lower_own_priority(int nice) {
  // On Linux the "process" 0 of setpriority is the calling thread. Failure leaves it as it was.
  if (nice > 0) static_cast<void>(setpriority(PRIO_PROCESS, 0, nice));
}

}  // namespace

thread_pool::thread_pool(thread_pool_options options) {
  const std::uint32_t extra = std::max(options.num_threads, 1U) - 1;
  threads_.reserve(extra);
  for (std::uint32_t i = 0; i < extra; ++i) {
    threads_.emplace_back([this, i, nice = options.nice] {
      lower_own_priority(nice);
      serve(i + 1);
    });
  }
}

thread_pool::~thread_pool() {
  stopping_.store(true, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void thread_pool::run(std::uint32_t count, const void* work, call function) {
  const std::uint32_t generation = generation_.load(std::memory_order_relaxed) + 1;
  // Closed while its members change: no index is below a count of zero.
  count_.store(0, std::memory_order_relaxed);
  ticket_.store(std::uint64_t{generation} << 32U, std::memory_order_release);
  num_done_.store(0, std::memory_order_relaxed);
  work_.store(work, std::memory_order_relaxed);
  call_.store(function, std::memory_order_relaxed);
  count_.store(count, std::memory_order_release);
  generation_.store(generation, std::memory_order_release);
  generation_.notify_all();
  while (take_indices(generation, 0)) {
  }
  // The others are inside their last index at most; they end soon unless they are preempted.
  for (int i = 0; i < spin_rounds; ++i) {
    if (num_done_.load(std::memory_order_acquire) == count) return;
    relax();
  }
  for (;;) {
    const std::uint32_t done = num_done_.load(std::memory_order_acquire);
    if (done == count) return;
    num_done_.wait(done, std::memory_order_acquire);
  }
}

bool thread_pool::take_indices(std::uint32_t generation, std::uint32_t thread_idx) {
  std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
  for (;;) {
    if (static_cast<std::uint32_t>(ticket >> 32U) != generation) return false;
    const auto index = static_cast<std::uint32_t>(ticket);
    const std::uint32_t count = count_.load(std::memory_order_acquire);
    if (index >= count) return false;
    const void* work = work_.load(std::memory_order_relaxed);
    const call function = call_.load(std::memory_order_relaxed);
    if (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel,
                                       std::memory_order_acquire)) {
      continue;
    }
    function(work, index, thread_idx);
    // The caller may leave, and the members may change, as soon as the last index is counted.
    if (num_done_.fetch_add(1, std::memory_order_acq_rel) + 1 == count) num_done_.notify_one();
    return true;
  }
}

std::uint32_t thread_pool::wait_for_loop(std::uint32_t seen) const {
  for (int i = 0; i < spin_rounds; ++i) {
    const std::uint32_t now = generation_.load(std::memory_order_acquire);
    if (now != seen) return now;
    relax();
  }
  generation_.wait(seen, std::memory_order_acquire);
  return generation_.load(std::memory_order_acquire);
}

void thread_pool::serve(std::uint32_t thread_idx) {
  std::uint32_t generation = 0;
  for (;;) {
    generation = wait_for_loop(generation);
    if (stopping_.load(std::memory_order_relaxed)) return;
    while (take_indices(generation, thread_idx)) {
    }
  }
}

}  // namespace troupe
