#include "cpu/memory_filler.hpp"

#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "cpu/aligned_buffer.hpp"

namespace troupe {
namespace {

using std::chrono::steady_clock;

// A fifth of a core at most. A low priority would do harm: whoever waits for the address space
// would wait until this thread, which holds it, gets a core again.
constexpr int rests_per_work = 4;
constexpr steady_clock::duration longest_rest = std::chrono::milliseconds{50};

// Has the system put memory there as a write would, but without a write: somebody else may be using
// it. Linux before 5.14 refuses; then it comes with its first use.
void populate(std::byte* first, std::size_t num_bytes) {
#ifdef MADV_POPULATE_WRITE
  static_cast<void>(madvise(first, num_bytes, MADV_POPULATE_WRITE));
#else
  static_cast<void>(first);
  static_cast<void>(num_bytes);
#endif
}

}  // namespace

memory_filler::memory_filler(std::vector<std::span<std::byte>> blocks)
    : blocks_(std::move(blocks)), thread_([this] { fill(); }) {}

memory_filler::~memory_filler() {
  stopping_.store(true, std::memory_order_relaxed);
  thread_.join();
}

void memory_filler::fill() {
  static_cast<void>(pthread_setname_np(pthread_self(), "memory filler"));
  for (const std::span<std::byte> block : blocks_) {
    // One huge page a call: no longer does it keep the address space from others.
    for (std::size_t at = 0; at < block.size(); at += huge_page_bytes) {
      if (stopping_.load(std::memory_order_relaxed)) return;
      const std::size_t count = std::min(huge_page_bytes, block.size() - at);
      const auto start = steady_clock::now();
      populate(block.data() + at, count);
      num_bytes_done_.fetch_add(count, std::memory_order_relaxed);
      std::this_thread::sleep_for(
          std::min(rests_per_work * (steady_clock::now() - start), longest_rest));
    }
  }
}

}  // namespace troupe
