// The text of one answer, with the tool calls told from the content where tools were offered.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/answer_plan.hpp"
#include "text/tool_calls.hpp"

namespace troupe {

class tool_answer {
 public:
  explicit tool_answer(bool has_calls = false);
  // What became certain with this piece; with the last one, everything.
  std::vector<tool_delta> push(const answer_piece& piece);
  std::uint32_t num_calls() const { return calls_ ? calls_->num_calls() : 0; }

 private:
  std::optional<tool_call_parser> calls_;
};

// "call_" and 24 characters; the same for the same call of the same answer.
std::string call_id(std::string_view unique, std::size_t choice, std::size_t call_idx);

// The tokens that end an answer without being part of its text.
std::vector<token_id> stop_tokens_of(const answer_order& order,
                                     const std::vector<token_id>& eos_token_ids);
// Such a token is not shown beside the text.
void drop_stop_token(answer_piece& piece, const std::vector<token_id>& stop_tokens);

}  // namespace troupe
