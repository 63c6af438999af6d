// softmax(q * K^T * scale) * V over the pages of one sequence, in blocks of 64 keys that start at
// multiples of 64: a query meets its keys in the same order and in the same blocks whether its
// prompt came in one piece or in many, and whether it is a prompt's row or a decoded token's.
#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "cpu/kernels.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/attention.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, which includes this file again for each target.
#include "cpu/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace troupe::kernels::HWY_NAMESPACE {
namespace {
#include "cpu/attention_blocks-inl.hpp"
}  // namespace

void attend_queries(const attention_args& args, attention_scratch& scratch) {
  if (args.type == dtype::float32) {
    attend_all<float32_format>(args, scratch);
  } else {
    attend_all<bfloat16_format>(args, scratch);
  }
}

}  // namespace troupe::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if TROUPE_PAIR_INSTRUCTION && HWY_TARGET == HWY_AVX3
HWY_BEFORE_NAMESPACE();
#pragma GCC push_options
#pragma GCC target("avx512bf16,avx512vnni")
namespace troupe::kernels::HWY_NAMESPACE::paired {
namespace {
#include "cpu/attention_blocks-inl.hpp"
}  // namespace

void attend_queries(const attention_args& args, attention_scratch& scratch) {
  attend_all<bfloat16_format>(args, scratch);
}

}  // namespace troupe::kernels::HWY_NAMESPACE::paired
#pragma GCC pop_options
HWY_AFTER_NAMESPACE();
#endif

#if HWY_ONCE
namespace troupe::kernels {

HWY_EXPORT(attend_queries);

void attention(const attention_args& args, attention_scratch& scratch) {
  if (args.type == dtype::float32) {
    HWY_DYNAMIC_DISPATCH(attend_queries)(args, scratch);
    return;
  }
  const flush_subnormals flush;
#if TROUPE_PAIR_INSTRUCTION
  if (uses_pair_instruction()) {
    N_AVX3::paired::attend_queries(args, scratch);
    return;
  }
#endif
  HWY_DYNAMIC_DISPATCH(attend_queries)(args, scratch);
}

}  // namespace troupe::kernels
#endif
