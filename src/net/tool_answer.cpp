#include "net/tool_answer.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

namespace troupe {

tool_answer::tool_answer(bool has_calls) {
  if (has_calls) calls_.emplace();
}

std::vector<tool_delta> tool_answer::push(const answer_piece& piece) {
  std::vector<tool_delta> out;
  if (!calls_) {
    if (!piece.text.empty()) out.push_back({.text = piece.text});
    return out;
  }
  out = calls_->push(piece.text);
  if (!piece.end) return out;
  for (auto& delta : calls_->finish()) {
    bool goes_on = !out.empty() && delta.name.empty() && out.back().call_idx == delta.call_idx;
    if (goes_on)
      out.back().text += delta.text;
    else
      out.push_back(std::move(delta));
  }
  return out;
}

std::string call_id(std::string_view unique, std::size_t choice, std::size_t call_idx) {
  std::array<char, 16> tail{};
  std::snprintf(tail.data(), tail.size(), "%02x%06x", static_cast<unsigned>(choice & 0xFFU),
                static_cast<unsigned>(call_idx & 0xFFFFFFU));
  return "call_" + std::string(unique.substr(0, 16)) + tail.data();
}

std::vector<token_id> stop_tokens_of(const answer_order& order,
                                     const std::vector<token_id>& eos_token_ids) {
  auto& sampling = order.request.sampling;
  if (order.text.include_stop_str_in_output) return {};
  auto out = sampling.stop_token_ids;
  if (!sampling.ignore_eos) out.insert(out.end(), eos_token_ids.begin(), eos_token_ids.end());
  return out;
}

void drop_stop_token(answer_piece& piece, const std::vector<token_id>& stop_tokens) {
  if (piece.tokens.empty()) return;
  auto last = piece.tokens.back().sampled.token;
  if (std::ranges::find(stop_tokens, last) != stop_tokens.end()) piece.tokens.pop_back();
}

}  // namespace troupe
