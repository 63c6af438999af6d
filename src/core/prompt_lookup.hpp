// Guesses how a sequence goes on, from itself: where its last tokens stood before, what followed
// then may follow again. Answers that quote, edit or repeat their prompt are guessed well. Costs no
// model and no table: a search reads the tokens once, backwards (4 bytes for each position, of
// which attention reads kilobytes in the same step), and there is none while the guesses are right.
#pragma once
#include "core/id.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace troupe {

// A sequence's tokens, where they lie.
struct token_history {
  std::span<const token_id> prompt;
  std::span<const token_id> generated;

  std::size_t size() const { return prompt.size() + generated.size(); }
  token_id operator[](std::size_t i) const {
    return i < prompt.size() ? prompt[i] : generated[i - prompt.size()];
  }
};

// How many of the last tokens must have stood before, and how many are looked at; min_tokens >= 2.
struct lookup_bounds {
  std::uint32_t min_tokens = 2;
  std::uint32_t max_tokens = 5;
};

// The place behind the longest earlier occurrence of the last tokens, among equally long ones the
// latest. Never beyond the last token.
std::optional<std::uint32_t> find_continuation(const token_history& seen, lookup_bounds bounds);

// How likely the next guess is right, and each one behind it if those before it were.
struct draft_odds {
  float first = 0;
  float further = 0;
};

class prompt_lookup {
 public:
  // The last one of `seen` is new. Whether it had been guessed is learnt, drafted or not.
  void follow(const token_history& seen, lookup_bounds bounds);
  // Zero without a guess.
  draft_odds odds() const;
  // What comes after `seen`, which has not grown since `follow`: `count` tokens at the end of
  // `out`. A guess that runs past the end goes on with its own beginning. Nothing without a guess.
  void guess(const token_history& seen, std::uint32_t count, std::vector<token_id>& out) const;

 private:
  std::uint32_t next_ = 0;          // place of the guess; 0: none
  std::uint32_t num_followed_ = 0;  // tokens, when it was made
  bool is_on_track_ = false;        // the guess before was right, at the place before
  // Exponential averages: of guesses at a place just found, and of those behind a right one.
  float found_odds_ = 0.2F;
  float track_odds_ = 0.8F;
};

}  // namespace troupe
