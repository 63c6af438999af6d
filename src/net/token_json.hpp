// Tokens as answers show them.
#pragma once
#include <vector>

#include "net/answer_piece.hpp"
#include "text/json_builder.hpp"

namespace troupe {

// JSON has no infinity; a token that the model excludes altogether counts as this.
inline constexpr float lowest_logprob = -9999.0F;
// Also in place of NaN.
inline float shown_logprob(float value) { return value >= lowest_logprob ? value : lowest_logprob; }

// "token_ids": [...]
inline void append_token_ids(json_builder& json, const std::vector<answer_token>& tokens) {
  json.key("token_ids").begin_array();
  for (auto& token : tokens) json.value(token.sampled.token);
  json.end_array();
}

}  // namespace troupe
