#include "core/running_constraints.hpp"

#include <algorithm>
#include <exception>
#include <string>
#include <utility>

namespace troupe {
namespace {

failure broken(std::string why) {
  return {.code = error_code::engine_failed,
          .message = "the answer's constraint failed: " + std::move(why)};
}

// Bits past the vocabulary name no token.
void clear_tail(token_mask& mask, std::uint32_t vocab_size) {
  if (auto num_bits = vocab_size % 32; num_bits > 0) mask.back() &= (1U << num_bits) - 1;
}

}  // namespace

outcome<token_mask_ptr> running_constraints::advance(request_id request,
                                                     const token_constraint_ptr& constraint,
                                                     std::span<const token_id> more) {
  try {
    auto mask = next_mask(request, constraint, more);
    if (!mask) forget(request);
    return mask;
  } catch (const std::exception& error) {
    forget(request);
    return broken(error.what());
  }
}

outcome<token_mask_ptr> running_constraints::next_mask(request_id request,
                                                       const token_constraint_ptr& constraint,
                                                       std::span<const token_id> more) {
  auto& here = places_[request];
  if (!here.state) here = {.constraint = constraint, .state = constraint->start()};
  for (auto token : more) {
    if (!here.state->accept(token))
      return broken("it refuses token " + std::to_string(token) + " after " +
                    std::to_string(here.num_tokens) + " tokens");
    ++here.num_tokens;
  }
  auto mask = std::make_shared<token_mask>(mask_words(vocab_size_));
  here.state->fill_mask(*mask);
  clear_tail(*mask, vocab_size_);
  if (std::ranges::all_of(*mask, [](std::uint32_t word) { return word == 0; }))
    return broken("it allows no token after " + std::to_string(here.num_tokens) + " tokens");
  return token_mask_ptr{std::move(mask)};
}

}  // namespace troupe
