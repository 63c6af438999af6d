// What the machine can do at most, to measure the kernels against in the same run.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace troupe::bench {

// Reads the words once, as fast as loads alone go; the answer keeps the compiler honest.
std::uint64_t read_all(std::span<const std::uint64_t> words);

// Multiply-adds that depend on nothing but their own sum, in registers: float32, bfloat16 by pairs
// and int8 by fours where the machine has the instructions (else float32 again). Answers the
// operations done, a multiply-add counted as two.
double multiply_floats();
double multiply_pairs();
double multiply_bytes();

}  // namespace troupe::bench
