// Some of an answer, on its way from the feed to whoever writes it. Values only.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/outcome.hpp"
#include "core/request.hpp"

namespace troupe {

struct answer_end {
  finish_reason why = finish_reason::failed;
  token_usage usage;
  failure error;                            // unless `why` is stop or length
  std::optional<std::string> matched_stop;  // the stop string that ended it
  std::optional<token_id> stop_token;       // or the token: eos, or one of stop_token_ids
};

struct answer_token {
  sampled_token sampled;
  std::uint32_t text_end = 0;  // bytes of the piece's text that were certain after this token
};

struct answer_piece {
  std::string text;                  // whole characters, everything since the last piece
  std::vector<answer_token> tokens;  // the same as tokens; only if they were asked for
  std::optional<answer_end> end;     // set on the last piece only
};

// Appends what came later; `all` had no end before.
void append_piece(answer_piece& all, answer_piece later);

}  // namespace troupe
