#include "net/best_of.hpp"

#include <algorithm>
#include <numeric>
#include <string>

#include "net/sampling_fields.hpp"

namespace troupe {
namespace {

double mean_logprob(const answer_piece& choice) {
  double sum = 0;
  for (auto& token : choice.tokens) sum += token.sampled.logprob;
  return choice.tokens.empty() ? sum : sum / static_cast<double>(choice.tokens.size());
}

}  // namespace

void check_runs(body_fields& fields, std::size_t num_prompts, run_counts runs, bool stream) {
  if (stream && runs.num_runs > runs.num_kept)
    fields.refuse("best_of", "best_of must equal n in a stream: the best is known at the end only");
  auto num_answers = num_prompts * runs.num_runs;
  if (num_answers > max_answers)
    fields.refuse("n", "the call asks for " + std::to_string(num_answers) +
                           " answers, expected at most " + std::to_string(max_answers));
}

std::vector<std::size_t> keep_best(const std::vector<answer_piece>& choices, std::size_t num_runs,
                                   std::size_t num_kept) {
  std::vector<std::size_t> kept;
  for (std::size_t first = 0; first < choices.size(); first += num_runs) {
    std::vector<std::size_t> runs(num_runs);
    std::iota(runs.begin(), runs.end(), first);
    if (num_kept < num_runs)
      std::ranges::stable_sort(runs, std::ranges::greater(),
                               [&](auto i) { return mean_logprob(choices[i]); });
    kept.insert(kept.end(), runs.begin(), runs.begin() + static_cast<std::ptrdiff_t>(num_kept));
  }
  return kept;
}

}  // namespace troupe
