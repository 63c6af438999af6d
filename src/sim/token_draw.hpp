// Tokens without a model: drawn by (prompt, seed, position) alone, so that no schedule changes an
// answer. Every token of a given list is equally likely; there are no logits, hence temperature,
// penalties and biases mean nothing. Below greedy_temperature the seed does not count either. A
// constraint is kept to: one of the allowed tokens, and the end as soon as it may end.
#pragma once
#include <cstdint>
#include <vector>

#include "core/batch.hpp"

namespace troupe {

struct drawable_tokens {
  std::vector<token_id> plain;  // never empty; what answers without a constraint are made of
  std::vector<token_id> eos_token_ids;  // for those under one
};

class token_draw {
 public:
  token_draw(drawable_tokens tokens, std::uint32_t max_num_seqs);

  // Takes the slot over; a history with answered tokens goes on where it stopped.
  void start(const slot_start& start);
  // The slot's next token. Logprobs, if asked for, are those of the equal chances.
  sampled_token draw(slot_idx slot, const token_mask* mask);

 private:
  struct slot_state {
    std::uint64_t key = 0;       // of prompt and seed
    std::uint64_t position = 0;  // tokens so far, prompt and output
    std::uint64_t num_outputs = 0;
    std::uint64_t min_tokens = 0;
    std::int32_t num_logprobs = -1;
    std::vector<token_id> stop_token_ids;
  };

  std::vector<token_id> candidates(const slot_state& slot, const token_mask& mask) const;

  drawable_tokens tokens_;
  std::vector<slot_state> slots_;  // [max_num_seqs]
};

}  // namespace troupe
