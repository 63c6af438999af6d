// Zeroed memory, aligned to cache lines (large blocks: to huge pages), freed with its owner.
#pragma once
#include <cstddef>
#include <memory>
#include <span>

namespace troupe {

inline constexpr std::size_t huge_page_bytes = std::size_t{2} << 20U;

// Large blocks are there when they are first written to, by whichever thread that is, so that
// several of them share the work. Throws std::bad_alloc.
void* allocate_zeroed(std::size_t num_bytes);
void release_zeroed(void* memory, std::size_t num_bytes) noexcept;

template <class T>
class aligned_buffer {
 public:
  aligned_buffer() = default;
  explicit aligned_buffer(std::size_t count)
      : count_(count),
        data_(static_cast<T*>(allocate_zeroed(count * sizeof(T))), {count * sizeof(T)}) {}

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  std::size_t size() const { return count_; }
  std::span<T> span() { return {data_.get(), count_}; }
  std::span<const T> span() const { return {data_.get(), count_}; }

 private:
  struct deleter {
    std::size_t num_bytes = 0;
    void operator()(T* memory) const { release_zeroed(memory, num_bytes); }
  };
  std::size_t count_ = 0;
  std::unique_ptr<T[], deleter> data_;
};

}  // namespace troupe
