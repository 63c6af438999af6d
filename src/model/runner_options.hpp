// What the runners of every device are told alike.
#pragma once
#include <cstdint>
#include <vector>

#include "core/id.hpp"
#include "core/outcome.hpp"
#include "model/batch_check.hpp"
#include "model/model_config.hpp"

namespace troupe {

struct runner_options {
  std::uint32_t tp_size = 1;
  // Which of these ranks are this process's; 0: all of them.
  std::uint32_t first_rank = 0;
  std::uint32_t num_local_ranks = 0;
  std::uint32_t max_num_seqs = 64;
  std::uint32_t max_num_batched_tokens = 512;
  // Rows of one step that can have logits; 0: max_num_seqs, which is what serving needs.
  std::uint32_t max_num_logit_rows = 0;
  std::uint32_t num_pages = 0;
  std::uint32_t max_model_len = 0;
  std::uint32_t num_tokens = 0;  // ids that the tokenizer knows; 0: the model's vocab_size
  std::vector<token_id> eos_token_ids;
};

// Zeros that stand for something else become it.
void complete(runner_options& options, const model_config& config);
// Refuses what no device can do.
refusal check_options(const model_config& config, const runner_options& options);
batch_limits limits_of(const model_config& config, const runner_options& options);

}  // namespace troupe
