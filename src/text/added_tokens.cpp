#include "text/added_tokens.hpp"

#include <algorithm>

namespace troupe {

added_tokens::added_tokens(std::vector<added_token> tokens) : tokens_(std::move(tokens)) {
  std::sort(tokens_.begin(), tokens_.end(), [](const added_token& a, const added_token& b) {
    if (a.content[0] != b.content[0]) return a.content[0] < b.content[0];
    return a.content.size() > b.content.size();
  });
  for (const added_token& token : tokens_) {
    begins_[static_cast<unsigned char>(token.content[0])] = true;
    if (token.special) special_.push_back(token.token);
  }
  std::sort(special_.begin(), special_.end());
}

added_tokens::match added_tokens::find_in(std::string_view text, std::size_t from) const {
  for (std::size_t at = from; at < text.size(); ++at) {
    if (!begins_[static_cast<unsigned char>(text[at])]) continue;
    const auto rest = text.substr(at);
    for (const added_token& token : tokens_) {
      if (rest.starts_with(token.content)) return {at, &token};
    }
  }
  return {text.size(), nullptr};
}

const added_token* added_tokens::find(std::string_view content) const {
  for (const added_token& token : tokens_) {
    if (token.content == content) return &token;
  }
  return nullptr;
}

bool added_tokens::is_special(token_id token) const {
  return std::binary_search(special_.begin(), special_.end(), token);
}

}  // namespace troupe
