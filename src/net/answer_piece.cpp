#include "net/answer_piece.hpp"

#include <utility>

namespace troupe {

void append_piece(answer_piece& all, answer_piece later) {
  auto begin = static_cast<std::uint32_t>(all.text.size());
  all.text += later.text;
  for (auto& token : later.tokens) {
    token.text_end += begin;
    all.tokens.push_back(std::move(token));
  }
  all.end = std::move(later.end);
}

}  // namespace troupe
