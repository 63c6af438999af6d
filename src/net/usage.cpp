#include "net/usage.hpp"

namespace troupe {

token_usage usage_counter::sum() const {
  token_usage sum;
  for (std::size_t i = 0; i < usages_.size(); ++i) {
    sum.completion_tokens += usages_[i].completion_tokens;
    if (i % num_runs_ != 0) continue;
    sum.prompt_tokens += usages_[i].prompt_tokens;
    sum.cached_tokens += usages_[i].cached_tokens;
  }
  return sum;
}

token_usage usage_of_call(const std::vector<answer_piece>& choices, std::size_t num_runs) {
  usage_counter counter(choices.size(), num_runs);
  for (std::size_t i = 0; i < choices.size(); ++i) counter.add(i, choices[i].end->usage);
  return counter.sum();
}

}  // namespace troupe
