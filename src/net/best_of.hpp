// Several answers to one prompt: which to keep. Pure.
#pragma once
#include <cstddef>
#include <vector>

#include "net/answer_plan.hpp"
#include "net/body_fields.hpp"

namespace troupe {

struct run_counts {
  std::size_t num_runs = 1;  // made of each prompt (best_of)
  std::size_t num_kept = 1;  // shown (n)
};

// Refuses what a stream cannot do, and more answers than a call may ask for.
void check_runs(body_fields& fields, std::size_t num_prompts, run_counts runs, bool stream);

// Of each prompt's `num_runs` choices the `num_kept` with the highest mean logprob, best first:
// indices into `choices`. All of them, in order, when nothing is left out.
std::vector<std::size_t> keep_best(const std::vector<answer_piece>& choices, std::size_t num_runs,
                                   std::size_t num_kept);

}  // namespace troupe
