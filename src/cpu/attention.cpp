// softmax(q * K^T * scale) * V over the pages of one sequence, in blocks of 64 keys that start at
// multiples of 64: a query meets its keys in the same order and in the same blocks whether its
// prompt came in one piece or in many, and whether it is a prompt's row or a decoded token's.
#include <algorithm>
#include <array>
#include <bit>
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
#include "cpu/attention_bytes-inl.hpp"
}  // namespace

void attend_queries(const attention_args& args, attention_scratch& scratch) {
  switch (args.type) {
    case kv_type::float32: return attend_all(args, scratch, word_kernels<float32_format>);
    case kv_type::bfloat16: return attend_all(args, scratch, word_kernels<bfloat16_format>);
    case kv_type::int8: return attend_all(args, scratch, byte_kernels);
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
#include "cpu/attention_bytes-inl.hpp"
}  // namespace

void attend_queries(const attention_args& args, attention_scratch& scratch) {
  const bool bytes = args.type == kv_type::int8;
  attend_all(args, scratch, bytes ? byte_kernels : word_kernels<bfloat16_format>);
}

}  // namespace troupe::kernels::HWY_NAMESPACE::paired
#pragma GCC pop_options
HWY_AFTER_NAMESPACE();
#endif

#if HWY_ONCE
namespace troupe::kernels {

HWY_EXPORT(attend_queries);

void attention(const attention_args& args, attention_scratch& scratch) {
  if (args.type == kv_type::float32) {
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
