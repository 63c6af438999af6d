#include "core/running_constraints.hpp"

#include <algorithm>
#include <bit>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace troupe {
namespace {

// Bits past the vocabulary name no token.
void clear_tail(token_mask& mask, std::uint32_t vocab_size) {
  if (auto num_bits = vocab_size % 32; num_bits > 0) mask.back() &= (1U << num_bits) - 1;
}

bool is_empty(const token_mask& mask) {
  return std::ranges::all_of(mask, [](std::uint32_t word) { return word == 0; });
}

// The token of a mask that has one only.
std::optional<token_id> only_token(const token_mask& mask) {
  auto is_set = [](std::uint32_t word) { return word != 0; };
  auto word = std::ranges::find_if(mask, is_set);
  if (word == mask.end() || !std::has_single_bit(*word)) return std::nullopt;
  if (std::any_of(word + 1, mask.end(), is_set)) return std::nullopt;
  return static_cast<token_id>(32 * (word - mask.begin()) + std::countr_zero(*word));
}

void find_forced(constraint_state& state, std::deque<token_id>& out) {
  for (auto token : state.forced_tokens()) out.push_back(token);
}

}  // namespace

outcome<constraint_turn> running_constraints::advance(request_id request,
                                                      const token_constraint_ptr& constraint,
                                                      std::span<const token_id> more,
                                                      std::uint32_t max_forced) {
  auto& here = places_[request];
  try {
    if (!here.state) {
      here.constraint = constraint;
      here.state = constraint->start();
      find_forced(*here.state, here.forced);
    }
    for (auto token : more) step(here, token);
    return next_turn(here, max_forced);
  } catch (const std::exception& error) {
    failure why{.code = error_code::constraint_failed,
                .message = "the answer's constraint failed after " +
                           std::to_string(here.num_tokens) + " tokens: " + error.what()};
    forget(request);
    return why;
  }
}

void running_constraints::step(place& here, token_id token) const {
  bool is_other = !here.forced.empty() && here.forced.front() != token;
  if (is_other || !here.state->accept(token))
    throw std::runtime_error("it refuses token " + std::to_string(token));
  ++here.num_tokens;
  if (!here.forced.empty()) here.forced.pop_front();
  if (here.forced.empty()) find_forced(*here.state, here.forced);
}

constraint_turn running_constraints::next_turn(place& here, std::uint32_t max_forced) const {
  constraint_turn turn;
  auto force = [&](token_id token) {
    step(here, token);
    turn.forced.push_back(token);
  };
  while (true) {
    while (!here.forced.empty() && turn.forced.size() < max_forced) force(here.forced.front());
    turn.mask = next_mask(here);
    auto only = turn.mask ? only_token(*turn.mask) : std::nullopt;
    if (!only || turn.forced.size() == max_forced) return turn;
    bool is_end = here.state->is_finished();
    force(*only);
    if (!is_end) continue;
    turn.mask = nullptr;  // eos; what a constraint says after it has no meaning
    return turn;
  }
}

token_mask_ptr running_constraints::next_mask(const place& here) const {
  auto mask = std::make_shared<token_mask>(mask_words(vocab_size_));
  if (!here.forced.empty()) {
    auto token = static_cast<std::uint32_t>(here.forced.front());
    mask->at(token / 32) = 1U << (token % 32);
    return mask;
  }
  here.state->fill_mask(*mask);
  clear_tail(*mask, vocab_size_);
  if (!is_empty(*mask)) return mask;
  // Without eos in the vocabulary, the end of the text is the end of the answer.
  if (here.state->is_finished()) return nullptr;
  throw std::runtime_error("it allows no token");
}

}  // namespace troupe
