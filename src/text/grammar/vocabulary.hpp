// The byte strings of all tokens, arranged for masks: a trie of them, and ready masks of those that
// are harmless inside of JSON strings. One per tokenizer; constant after it is built.
#pragma once
#include "core/id.hpp"
#include "text/tokenizer.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::grammar {

using mask_words = std::vector<std::uint32_t>;

inline void set_bit(std::span<std::uint32_t> mask, token_id token) {
  const auto i = static_cast<std::uint32_t>(token);
  mask[i / 32] |= 1U << (i % 32);
}

class vocabulary_trie {
 public:
  struct node {
    std::uint32_t end = 0;    // one past the last node below
    std::uint32_t first = 0;  // into `tokens`: those that end here come first
    std::uint16_t num_tokens = 0;
    std::uint8_t byte = 0;
  };
  using entry = std::pair<std::string_view, token_id>;

  explicit vocabulary_trie(std::vector<entry> entries);

  // In preorder; node 0 is the root, the first child of n is n + 1 if that is before its end.
  const std::vector<node>& nodes() const { return nodes_; }
  std::span<const token_id> tokens_at(const node& n) const {
    return {tokens_.data() + n.first, n.num_tokens};
  }
  std::span<const token_id> tokens_below(std::uint32_t n) const;  // those at it included
  std::uint32_t child(std::uint32_t n, std::uint8_t byte) const;  // 0 when there is none

 private:
  std::vector<node> nodes_;
  std::vector<token_id> tokens_;
};

class vocabulary {
 public:
  static constexpr std::uint32_t max_slice = 32;

  vocabulary(std::shared_ptr<const tokenizer> words, std::uint32_t vocab_size);

  const vocabulary_trie& all() const { return all_; }
  // Tokens that are no text, or would end or escape something within a JSON string.
  const vocabulary_trie& unsafe() const { return unsafe_; }
  // The others, of at most `num_characters` each; above max_slice: of any length.
  const mask_words& safe_slice(std::uint32_t num_characters) const;
  // Safe tokens of more than max_slice characters.
  const std::vector<token_id>& long_tokens() const { return long_; }
  std::string_view bytes(token_id token) const;  // empty for what no grammar may use
  std::uint32_t size() const { return size_; }
  std::size_t num_mask_words() const { return (size_ + 31) / 32; }

 private:
  using entries = std::vector<vocabulary_trie::entry>;
  entries list(bool only_unsafe) const;
  void slice();

  std::shared_ptr<const tokenizer> words_;
  std::uint32_t size_;
  vocabulary_trie all_, unsafe_;
  std::vector<mask_words> slices_;  // [max_slice + 2]
  std::vector<token_id> long_;
};

}  // namespace troupe::grammar
