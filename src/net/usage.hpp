// What the answers of one call cost together. Pure.
#pragma once
#include <cstddef>
#include <vector>

#include "net/answer_plan.hpp"

namespace troupe {

// A prompt counts once, however many answers it got; every answer counts, shown or not.
class usage_counter {
 public:
  usage_counter(std::size_t num_choices, std::size_t num_runs)
      : usages_(num_choices), num_runs_(num_runs) {}
  // At the end of each choice.
  void add(std::size_t choice, const token_usage& usage) { usages_[choice] = usage; }
  token_usage sum() const;

 private:
  std::vector<token_usage> usages_;
  std::size_t num_runs_;
};

// All of them have ended.
token_usage usage_of_call(const std::vector<answer_piece>& choices, std::size_t num_runs);

}  // namespace troupe
