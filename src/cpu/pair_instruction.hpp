// Whether the machine multiplies and adds pairs of bfloat16 by itself (AVX512_BF16) and four bytes
// (AVX512_VNNI, which every machine with the former has). It does the former in
// the order that the kernels follow without it, so its use changes the speed and not one bit, as
// long as subnormal numbers are taken as zeros on both ways: flush_subnormals.
#pragma once

// Built into the kernels where the compiler lets one function have more than its file's target.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define TROUPE_PAIR_INSTRUCTION 1
#else
#define TROUPE_PAIR_INSTRUCTION 0
#endif

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace troupe::kernels {

bool uses_pair_instruction();
// For tests: false does without it from now on.
void allow_pair_instruction(bool allowed);

// While it lives, this thread takes subnormal inputs as zeros and makes none.
class flush_subnormals {
 public:
#if defined(__x86_64__)
  flush_subnormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | flush_to_zero_and_inputs); }
  ~flush_subnormals() { _mm_setcsr(before_); }
#else
  flush_subnormals() = default;
#endif
  flush_subnormals(const flush_subnormals&) = delete;
  flush_subnormals& operator=(const flush_subnormals&) = delete;

 private:
#if defined(__x86_64__)
  static constexpr unsigned flush_to_zero_and_inputs = 0x8040;
  unsigned before_;
#endif
};

}  // namespace troupe::kernels
