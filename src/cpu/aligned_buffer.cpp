#include "cpu/aligned_buffer.hpp"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>

namespace troupe {
namespace {

constexpr std::size_t cache_line_bytes = 64;
constexpr std::size_t huge_page_bytes = std::size_t{2} << 20U;

}  // namespace

void* allocate_zeroed(std::size_t num_bytes) {
  if (num_bytes == 0) return nullptr;
  const bool large = num_bytes >= huge_page_bytes;
  const std::size_t alignment = large ? huge_page_bytes : cache_line_bytes;
  if (num_bytes > SIZE_MAX - alignment) throw std::bad_alloc();
  const std::size_t rounded = (num_bytes + alignment - 1) / alignment * alignment;

  void* memory = std::aligned_alloc(alignment, rounded);
  if (memory == nullptr) throw std::bad_alloc();
  // Streaming gigabytes of weights through 4 KiB pages costs a tenth of the bandwidth in TLB
  // misses; where huge pages are switched off, the advice is refused and nothing else changes.
  if (large) static_cast<void>(madvise(memory, rounded, MADV_HUGEPAGE));
  std::memset(memory, 0, rounded);
  return memory;
}

void release_zeroed(void* memory) noexcept { std::free(memory); }

}  // namespace troupe
