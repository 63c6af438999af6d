// What the machine can do at most, to measure the kernels against in the same run.
#pragma once
#include <cstddef>
#include <cstdint>

#include "cpu/aligned_buffer.hpp"
#include "cpu/thread_pool.hpp"

namespace troupe::bench {

// Far more than any cache: what comes in turns comes from memory.
inline constexpr std::size_t total_bytes = std::size_t{256} << 20U;

// A walk through memory, as fast as loads alone go.
class memory_walk {
 public:
  // A divisor of total_bytes.
  explicit memory_walk(std::size_t bytes_a_step);
  std::size_t bytes_a_step() const { return words_a_step_ * sizeof(std::uint64_t); }
  void step(thread_pool& pool);

 private:
  aligned_buffer<std::uint64_t> words_;
  std::size_t words_a_step_;
  std::size_t next_ = 0;
};

// Multiply-adds that depend on nothing but their own sum, in registers: float32, bfloat16 by pairs
// and int8 by fours where the machine has the instructions (else float32 again). Answers the
// operations done, a multiply-add counted as two.
double multiply_floats();
double multiply_pairs();
double multiply_bytes();

}  // namespace troupe::bench
