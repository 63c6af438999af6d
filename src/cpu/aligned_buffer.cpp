#include "cpu/aligned_buffer.hpp"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

namespace troupe {
namespace {

constexpr std::size_t cache_line_bytes = 64;

std::size_t round_up(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

// Whole huge pages straight from the system, which gives zeros. Streaming gigabytes of weights
// through 4 KiB pages costs a tenth of the bandwidth in TLB misses; where huge pages are switched
// off, the advice is refused and nothing else changes.
void* map_zeroed(std::size_t num_bytes) {
  if (num_bytes > SIZE_MAX - 2 * huge_page_bytes) throw std::bad_alloc();
  const std::size_t size = round_up(num_bytes, huge_page_bytes);
  const std::size_t reserved = size + huge_page_bytes;
  void* address =
      mmap(nullptr, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) throw std::bad_alloc();
  auto* first = static_cast<std::byte*>(address);
  const std::size_t skipped = -reinterpret_cast<std::uintptr_t>(first) % huge_page_bytes;
  std::byte* memory = first + skipped;
  if (skipped > 0) munmap(first, skipped);
  if (skipped < huge_page_bytes) munmap(memory + size, huge_page_bytes - skipped);
  static_cast<void>(madvise(memory, size, MADV_HUGEPAGE));
  return memory;
}

}  // namespace

void* allocate_zeroed(std::size_t num_bytes) {
  if (num_bytes == 0) return nullptr;
  if (num_bytes >= huge_page_bytes) return map_zeroed(num_bytes);
  const std::size_t rounded = round_up(num_bytes, cache_line_bytes);
  void* memory = std::aligned_alloc(cache_line_bytes, rounded);
  if (memory == nullptr) throw std::bad_alloc();
  std::memset(memory, 0, rounded);
  return memory;
}

void release_zeroed(void* memory, std::size_t num_bytes) noexcept {
  if (num_bytes < huge_page_bytes) {
    std::free(memory);
  } else {
    munmap(memory, round_up(num_bytes, huge_page_bytes));
  }
}

}  // namespace troupe
