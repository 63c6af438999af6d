#include "sim/step_time.hpp"

#include <algorithm>

namespace troupe {
namespace {

constexpr std::uint64_t element_bytes = 2;   // bfloat16
constexpr std::uint32_t max_byte_rows = 64;  // more of them multiply with expanded weights
constexpr double kernel_share = 0.93;        // of the roofline
constexpr double boundary_seconds = 1.3e-6;  // from one kernel to the next
constexpr std::uint32_t kernels_per_layer = 10;
constexpr std::uint32_t all_reduces_per_layer = 2;
// The sampler: 15 us up to 16 rows, 100 us for 256.
constexpr double sampling_seconds = 15e-6;
constexpr std::uint32_t sampling_rows = 16;
constexpr double seconds_per_more_row = 85e-6 / 240;

// Bytes that pass through the memory when the weights are multiplied.
std::uint64_t moved_bytes(const model_cost& cost, std::uint64_t elements, std::uint32_t num_rows) {
  const auto held = weight_bytes(elements, {.byte_weights = cost.has_byte_weights});
  const bool is_expanded = cost.has_byte_weights && num_rows > max_byte_rows;
  return is_expanded ? held + 2 * element_bytes * elements : held;
}

double linear_seconds(const gpu_model& gpu, const model_cost& cost, std::uint64_t elements,
                      std::uint32_t num_rows) {
  if (num_rows == 0) return 0;
  const auto bytes = static_cast<double>(moved_bytes(cost, elements, num_rows));
  return std::max(bytes / gpu.bytes_per_second,
                  2 * static_cast<double>(elements) * num_rows / gpu.gemm_flops);
}

double attention_seconds(const gpu_model& gpu, const model_cost& cost, const step_load& load) {
  const auto bytes = static_cast<double>(load.num_read * cost.kv_bytes_per_position);
  const auto flops =
      static_cast<double>(load.num_attended) * static_cast<double>(cost.flops_per_attended);
  return std::max(bytes / gpu.bytes_per_second, flops / gpu.attention_flops);
}

// A ring sends (n - 1) / n of the message twice.
double all_reduce_seconds(const gpu_link& link, const model_cost& cost, std::uint32_t num_rows) {
  if (cost.tp_size < 2) return 0;
  const auto bytes = static_cast<double>(cost.row_bytes * num_rows);
  const double once = link.latency_seconds +
                      2.0 * (cost.tp_size - 1) / cost.tp_size * bytes / link.bytes_per_second;
  return all_reduces_per_layer * cost.num_layers * once;
}

double sampler_seconds(std::uint32_t num_rows) {
  if (num_rows == 0) return 0;
  const auto more = num_rows - std::min(num_rows, sampling_rows);
  return sampling_seconds + more * seconds_per_more_row;
}

}  // namespace

std::uint64_t weight_bytes(std::uint64_t num_elements, const held_as& form) {
  if (!form.byte_weights) return element_bytes * num_elements;
  return num_elements + 2 * (num_elements / group_size);
}

std::uint64_t position_bytes(const model_config& config, const shard_plan& plan,
                             const held_as& form) {
  const std::uint64_t rows = std::uint64_t{config.num_hidden_layers} * 2 * plan.num_kv_heads();
  return rows * (form.byte_pages ? plan.head_dim + 1 : element_bytes * plan.head_dim);
}

model_cost measure_cost(const model_config& config, const shard_plan& plan, const held_as& form) {
  const std::uint64_t hidden = config.hidden_size;
  const std::uint64_t qkv = plan.q_size() + 2ULL * plan.kv_size();
  const std::uint64_t per_layer =
      hidden * (qkv + plan.q_size() + 3ULL * plan.intermediate.size()) + qkv + 2 * hidden;
  const std::uint64_t layers = config.num_hidden_layers;
  return {.layer_elements = layers * per_layer,
          .head_elements = plan.vocab_per_rank * hidden,
          .kv_bytes_per_position = position_bytes(config, plan, form),
          .flops_per_attended = layers * 4 * plan.q_size(),
          .row_bytes = hidden * 2,
          .num_layers = config.num_hidden_layers,
          .tp_size = plan.tp_size,
          .has_byte_weights = form.byte_weights};
}

step_load measure_load(const step_batch& batch) {
  step_load load;
  for (const chunk& piece : batch.chunks) {
    const std::uint64_t rows = piece.num_tokens;
    load.num_rows += piece.num_tokens;
    load.num_logit_rows += piece.sample ? 1 + piece.num_drafts : 0;
    load.num_read += piece.first_position + rows;
    load.num_attended += rows * piece.first_position + rows * (rows + 1) / 2;
  }
  return load;
}

double step_parts::total() const {
  return (weights + lm_head + attention) / kernel_share + boundaries + all_reduce + sampling;
}

step_parts time_step(const gpu_model& gpu, const gpu_link& link, const model_cost& cost,
                     const step_load& load) {
  if (load.num_rows == 0) return {};
  return {.weights = linear_seconds(gpu, cost, cost.layer_elements, load.num_rows),
          .lm_head = linear_seconds(gpu, cost, cost.head_elements, load.num_logit_rows),
          .attention = attention_seconds(gpu, cost, load),
          .boundaries = boundary_seconds * kernels_per_layer * cost.num_layers,
          .all_reduce = all_reduce_seconds(link, cost, load.num_rows),
          .sampling = sampler_seconds(load.num_logit_rows)};
}

}  // namespace troupe
