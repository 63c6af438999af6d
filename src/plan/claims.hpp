// Figures that others claim for some hardware, beside what the simulated house does with it, and
// why the two differ: in bytes, link messages and kernels of one step.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/outcome.hpp"
#include "engine/simulated_device.hpp"
#include "plan/scenario.hpp"

namespace troupe::planning {

struct claimed_row {
  std::uint32_t concurrency = 0;
  std::optional<double> tokens_per_second, ttft_ms;  // none: not said
  bool is_stable = true;
};
struct claimed_table {
  std::string name, model;
  gpu_wish gpus;
  std::uint32_t tensor_parallel_size = 1;
  length_range input, output;  // tokens
  std::string note;            // what was assumed because the source does not say
  std::vector<claimed_row> rows;
};
// {"tables": [{"name", "model", "gpu", "tensor_parallel_size", "input_tokens", "output_tokens",
// "note", "rows": [{"concurrency", "tokens_per_second", "ttft_ms", "stable"}]}]}; null is unknown.
outcome<std::vector<claimed_table>> read_claims(const std::filesystem::path& file);

// One sentence: what a step of so many decoding sequences is made of, and what the claim would
// need.
std::string explain(const claimed_row& claim, const plan_row& predicted, const gpu_clockwork& clock,
                    double context, std::uint64_t kv_tokens, double tokens_each);

// The engine's flags are the request's; its model, GPUs, lengths and rows are each table's.
outcome<std::string> compare(const plan_request& request, const std::vector<claimed_table>& all);

}  // namespace troupe::planning
