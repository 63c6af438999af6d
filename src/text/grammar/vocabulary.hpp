// The byte strings of all tokens, arranged for masks: a trie of them, and ready masks of those that
// are harmless inside of JSON strings. One per tokenizer; constant after it is built, but for what
// it remembers.
#pragma once
#include "core/id.hpp"
#include "text/tokenizer.hpp"

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
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

// What holds for a place in a terminal, whatever the grammar around it.
struct terminal_mask {
  // A trie node at which the terminal is complete while tokens go on below.
  struct exit {
    const vocabulary_trie* trie = nullptr;
    std::uint32_t node = 0;
    std::uint32_t tag = 0;
    std::string key;  // the bytes on the way there when they are a key's
  };
  const mask_words* slice = nullptr;  // of the vocabulary
  std::vector<token_id> tokens;
  mask_words bits;  // instead of many tokens
  std::vector<exit> exits;

  std::size_t num_bytes() const {
    return 256 + 4 * tokens.size() + 4 * bits.size() + sizeof(exit) * exits.size();
  }
};
using terminal_mask_ptr = std::shared_ptr<const terminal_mask>;

// Terminals look alike in all grammars (strings, numbers, dates): what was found for one of them is
// kept for the others. Safe to share among threads.
class terminal_mask_cache {
 public:
  struct key {
    std::uint64_t language = 0, place = 0;
    bool operator==(const key&) const = default;
  };
  terminal_mask_ptr find(const key& at) const;  // null when it is not there
  void add(const key& at, terminal_mask_ptr mask);

 private:
  struct hasher {
    std::size_t operator()(const key& k) const { return k.language ^ (k.place << 1U); }
  };
  mutable std::mutex lock_;
  std::unordered_map<key, terminal_mask_ptr, hasher> masks_;
  std::size_t num_bytes_ = 0;
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
  terminal_mask_cache& known_masks() const { return known_masks_; }
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
  mutable terminal_mask_cache known_masks_;
};

}  // namespace troupe::grammar
