#include "cli/memory_reserve.hpp"

#include <sys/mman.h>

#include <atomic>
#include <new>

namespace troupe {
namespace {

// Address space of its own, so that giving it back does not depend on the allocator; of pages that
// nobody touches it costs nothing else.
void* take_reserve() noexcept {
  void* memory = mmap(nullptr, reserve_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

std::atomic<void*> reserve{nullptr};

// Called by `new` again and again until it succeeds or this throws.
void spend_reserve() {
  void* memory = reserve.exchange(nullptr);
  if (memory == nullptr) throw std::bad_alloc();
  munmap(memory, reserve_bytes);
}

}  // namespace

void keep_memory_reserve() {
  renew_memory_reserve();
  std::set_new_handler(&spend_reserve);
}

bool renew_memory_reserve() noexcept {
  if (reserve.load() != nullptr) return true;
  void* fresh = take_reserve();
  if (fresh == nullptr) return false;
  void* expected = nullptr;
  if (!reserve.compare_exchange_strong(expected, fresh)) munmap(fresh, reserve_bytes);
  return true;
}

}  // namespace troupe
