// How many guessed tokens (core/prompt_lookup.hpp) the rows of a step carry along: as many as are
// likely to make the step's tokens come faster. Answers do not depend on it, so it may look at the
// load.
#pragma once
#include "core/plan_step.hpp"
#include "core/prompt_lookup.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace troupe {

struct draft_ask {
  draft_odds odds;
  std::uint32_t max_tokens = 0;  // 0: this row carries none, whatever the odds
  std::uint32_t num_tokens = 0;  // the decision
};

// What guesses cost here: learnt from the time that steps take with them and without, for each
// number of sequences; before, from how many rows the device is said to compute in about twice the
// time of one, as it waits for the weights.
class draft_cost {
 public:
  explicit draft_cost(std::uint32_t max_rows) : max_rows_(max_rows), paces_(max_rows) {}

  // A step of so many decoding sequences and guesses took so long, from the end of the one before.
  void note(std::uint32_t num_sequences, std::uint32_t num_drafts, double seconds);
  // Of a guess, as a share of a step without any; the wait for the step before is in it.
  double share(std::uint32_t num_sequences) const;

 private:
  struct pace {
    double plain_seconds = 0;  // averages; 0: not known
    double share = 0;
  };
  double expected_share(std::uint32_t num_sequences) const {
    return 1.0 / (max_rows_ + num_sequences);
  }

  std::uint32_t max_rows_;
  std::vector<pace> paces_;  // [sequences], below max_rows
};

// Decides for the decoding rows of a step within `num_more` rows, each of which costs `share` of
// the step. A guess is taken if it brings more tokens for its time than the step has without it,
// the most likely ones first; all or none, as steps with guesses cannot be planned ahead.
void plan_drafts(std::span<draft_ask> rows, std::uint32_t num_more, double share);

// Gives the decoding rows of a plan their drafts. Rows under a constraint have none: what may
// follow a guess is not known.
void add_drafts(std::span<const sequence> running, const engine_limits& limits,
                const draft_cost& cost, std::vector<planned_chunk>& plan);

// Whether the next step would have drafts if it were planned with every token known.
bool would_draft(std::span<const sequence> running, const engine_limits& limits,
                 const draft_cost& cost);

// Whether sequences are worth following when so many run.
bool may_draft(std::size_t num_running, const engine_limits& limits);

// What became of the guesses in the steps that came back.
struct draft_counts {
  std::uint32_t num_drafts = 0;  // rows that had some
  std::uint32_t num_draft_tokens = 0;
  std::uint32_t num_accepted_tokens = 0;
};

// Rows of a step up to which there are drafts.
std::uint32_t max_drafted_rows(const engine_limits& limits);

// Rows of one step that can have logits.
std::uint32_t count_logit_rows(const engine_limits& limits);

}  // namespace troupe
