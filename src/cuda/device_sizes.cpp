#include "cuda/device_sizes.hpp"

#include <algorithm>
#include <bit>

#include "cuda/gemm.hpp"

namespace troupe::cuda {
namespace {

constexpr std::uint32_t max_scratch_rows = 64;

std::uint32_t pages_of(std::uint32_t tokens) {
  return (tokens + page_size_tokens - 1) / page_size_tokens;
}

// The most parts that a row has, whatever its context.
std::uint32_t most_parts(std::uint32_t max_model_len) {
  std::uint32_t most = 1;
  for (std::uint32_t pages = 1; pages <= pages_of(max_model_len); ++pages) {
    const std::uint32_t each = decode_part_pages(pages * page_size_tokens);
    most = std::max(most, (pages + each - 1) / each);
  }
  return most;
}

step_counts count_largest_step(const cuda_device_options& o) {
  step_counts out;
  if (o.max_num_rows == 0) return out;
  out.rows = o.max_num_rows;
  out.logit_rows = o.max_num_logit_rows;
  out.decode_rows = std::min(o.max_num_seqs, o.max_num_rows);
  out.decode_parts = std::bit_ceil(out.decode_rows * most_parts(o.max_model_len));
  const std::uint32_t group = o.heads.num_q_heads / std::max(1U, o.heads.num_kv_heads);
  out.tiles = o.max_num_rows * group / prefill_tile_queries + o.max_num_seqs;
  out.pages = pages_of(o.max_model_len) * o.max_num_seqs;
  return out;
}

}  // namespace

device_sizes::device_sizes(const cuda_device_options& o)
    : largest_step(count_largest_step(o)), max_num_seqs(o.max_num_seqs) {
  const std::size_t head = o.heads.head_dim;
  layer_page_bytes = o.heads.num_kv_heads * head_page_bytes(o.kv, o.heads.head_dim);
  expanded_bytes = o.has_byte_weights ? gemm_expanded_bytes : 0;
  if (o.max_num_rows == 0) return;
  step_bytes = step_layout(largest_step).size;
  const std::size_t all_masks = o.max_num_seqs * mask_words(o.num_tokens);
  choice_bytes = choice_layout(o.max_num_seqs, o.max_num_logit_rows, all_masks).size;
  uses_per_slot = std::min(o.max_model_len, o.num_tokens) + std::size_t{1};
  list_bytes_per_slot = list_bytes(uses_per_slot, usual_biases, usual_impossible_tokens);
  result_bytes =
      o.max_num_logit_rows * (sizeof(chosen_token) + o.max_logprobs * sizeof(likely_token));
  const std::size_t sums = std::size_t{largest_step.decode_parts} * o.heads.num_q_heads;
  partial_sum_bytes = sums * head * sizeof(float);
  partial_scale_bytes = sums * 2 * sizeof(float);
  num_scratch_rows = std::clamp(o.max_num_logit_rows, 1U, max_scratch_rows);
  sample_scratch_bytes = num_scratch_rows * cuda::sample_scratch_bytes(o.num_tokens);
  word_bytes = (4 + max_ranks) * sizeof(std::uint32_t);
  rope_bytes = 2 * std::size_t{o.max_model_len} * (head / 2) * sizeof(float);
}

std::uint64_t device_sizes::total() const {
  return std::uint64_t{gemm_workspace_bytes} + expanded_bytes + step_bytes + choice_bytes +
         max_num_seqs * (list_bytes_per_slot + sizeof(sampling_slot) + sizeof(std::int32_t)) +
         num_steps_in_flight * result_bytes + partial_sum_bytes + partial_scale_bytes +
         sample_scratch_bytes + word_bytes + 2 * rope_bytes;
}

}  // namespace troupe::cuda
