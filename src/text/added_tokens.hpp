// Tokens that stand beside the merges (<|im_end|> ...): cut out of the raw text before anything
// else, the earliest first, the longest among those that begin at the same place.
#pragma once
#include "core/id.hpp"

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

struct added_token {
  token_id token = 0;
  std::string content;  // never empty
  bool special = false;
};

class added_tokens {
 public:
  added_tokens() = default;
  explicit added_tokens(std::vector<added_token> tokens);

  struct match {
    std::size_t begin = 0;
    const added_token* token = nullptr;  // null: none up to the end
  };
  // The first one in `text` at or after `from`.
  match find_in(std::string_view text, std::size_t from) const;
  const added_token* find(std::string_view content) const;
  bool is_special(token_id token) const;

 private:
  std::vector<added_token> tokens_;  // by first byte, then the longest first
  std::array<bool, 256> begins_{};   // whether a token begins with the byte
  std::vector<token_id> special_;    // sorted
};

}  // namespace troupe
