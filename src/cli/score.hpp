// `troupe score`: what the model thinks of given token ids, for comparison with other
// implementations. One JSON object a line in, one a line out, in order:
//   in   {"ids": [1, 2, 3]}
//   out  {"argmax": [...], "lse": [...], "top_ids": [[16]...], "top_logits": [[16]...],
//         "greedy": [...]}
// argmax, lse (log-sum-exp of the logits) and the 16 highest logits stand for every position;
// greedy continues the ids with the most likely token, eos or not. A line that cannot be scored
// gives {"error": "..."}.
#pragma once
#include "engine/weight_choice.hpp"
#include "model/tensor.hpp"

#include <cstdint>
#include <filesystem>
#include <iosfwd>

namespace troupe {

struct score_options {
  dtype type = dtype::bfloat16;  // float32 or bfloat16
  std::uint32_t tensor_parallel_size = 1;
  std::uint32_t num_greedy = 0;   // at most 4096
  std::uint32_t num_threads = 0;  // of each rank; 0: the machine's cores shared out among the ranks
  quantization weights = quantization::automatic;
};

// 0: every line was answered, if only with an error. 1: the model could not be loaded or the device
// failed; the reason is on `err`.
int run_score(const std::filesystem::path& model_dir, const score_options& options,
              std::istream& in, std::ostream& out, std::ostream& err);

}  // namespace troupe
