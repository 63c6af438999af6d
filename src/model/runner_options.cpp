#include "model/runner_options.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace troupe {
namespace {

failure refuse(std::string message, std::string field) {
  return {error_code::invalid_argument, std::move(message), std::move(field)};
}

}  // namespace

void complete(runner_options& options, const model_config& config) {
  if (options.num_local_ranks == 0) options.num_local_ranks = std::max(options.tp_size, 1U);
  if (options.max_num_logit_rows == 0) options.max_num_logit_rows = options.max_num_seqs;
  if (options.num_tokens == 0) options.num_tokens = config.vocab_size;
}

refusal check_options(const model_config& config, const runner_options& options) {
  if (options.max_num_seqs == 0 || options.max_num_batched_tokens == 0 ||
      options.max_model_len == 0) {
    return refuse("max_num_seqs, max_num_batched_tokens and max_model_len must be at least 1.",
                  "max_model_len");
  }
  if (options.first_rank + options.num_local_ranks > std::max(options.tp_size, 1U)) {
    return refuse("There are " + std::to_string(options.tp_size) + " ranks; ranks " +
                      std::to_string(options.first_rank) + " to " +
                      std::to_string(options.first_rank + options.num_local_ranks - 1) +
                      " were asked for.",
                  "tensor-parallel-size");
  }
  if (options.num_tokens > config.vocab_size) {
    return refuse("The tokenizer knows " + std::to_string(options.num_tokens) +
                      " ids, but the model has logits for " + std::to_string(config.vocab_size) +
                      ".",
                  "vocab_size");
  }
  return nothing{};
}

batch_limits limits_of(const model_config& config, const runner_options& options) {
  return {options.max_num_seqs,       options.max_num_batched_tokens,
          options.max_num_logit_rows, options.max_model_len,
          options.num_pages,          config.vocab_size,
          options.num_tokens};
}

}  // namespace troupe
