// The byte strings of all tokens, arranged for masks: a trie of them, and ready masks of those that
// are harmless inside of JSON strings. One per tokenizer; constant after it is built, but for what
// it remembers.
#pragma once
#include "core/id.hpp"
#include "text/grammar/byte_groups.hpp"
#include "text/tokenizer.hpp"

#include <array>
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

inline bool has_bit(std::span<const std::uint32_t> mask, token_id token) {
  const auto i = static_cast<std::uint32_t>(token);
  return (mask[i / 32] >> (i % 32) & 1U) != 0;
}

inline void clear_bit(std::span<std::uint32_t> mask, token_id token) {
  const auto i = static_cast<std::uint32_t>(token);
  mask[i / 32] &= ~(1U << (i % 32));
}

// Few tokens are listed, many are a bitmap.
class token_set {
 public:
  token_set() = default;
  token_set(std::vector<token_id> tokens, std::size_t num_mask_words);

  void add_to(std::span<std::uint32_t> mask) const;
  void write_to(std::span<std::uint32_t> mask) const;
  void join(const mask_words& more);  // becomes a bitmap
  std::size_t num_bytes() const { return 4 * tokens_.size() + 4 * bits_.size(); }

 private:
  std::vector<token_id> tokens_;
  mask_words bits_;
};

// The children of a node lie side by side, so that a walk that goes into few of them touches little
// memory.
class vocabulary_trie {
 public:
  struct node {
    std::uint32_t children = 0;  // the first one
    std::uint32_t first = 0;     // of the tokens at and below it; those that end here come first
    std::uint32_t end = 0;
    std::uint16_t num_children = 0;
    std::uint16_t num_tokens = 0;  // that end here
  };
  using entry = std::pair<std::string_view, token_id>;

  explicit vocabulary_trie(std::vector<entry> entries);

  const node& root() const { return nodes_[0]; }
  const node& at(std::uint32_t i) const { return nodes_[i]; }
  std::uint8_t byte(std::uint32_t i) const { return bytes_[i]; }
  std::span<const token_id> tokens_at(const node& n) const {
    return {tokens_.data() + n.first, n.num_tokens};
  }
  std::span<const token_id> tokens_below(const node& n) const {  // those at it included
    return {tokens_.data() + n.first, n.end - n.first};
  }
  std::uint32_t child(std::uint32_t n, std::uint8_t byte) const;  // 0 when there is none
  // Whether all that tokens have from the last byte of node i on is characters of these groups, at
  // most so many. Only where a character begins with that byte.
  bool is_within(std::uint32_t i, byte_groups characters, std::uint32_t length) const {
    return (groups_[i] & ~characters) == 0 && lengths_[i] <= length;
  }

 private:
  void add_children(std::uint32_t n, std::size_t depth, const std::vector<entry>& entries);
  void summarise();

  std::vector<node> nodes_;  // node 0 is the root; children come after their parents
  std::vector<std::uint8_t> bytes_;
  std::vector<byte_groups> groups_;    // [node] of its last byte and all below
  std::vector<std::uint8_t> lengths_;  // [node] characters that begin there, or 255
  std::vector<token_id> tokens_;       // in the order of their bytes
};

// What holds for a place in a terminal, whatever the grammar around it.
struct terminal_mask {
  // A trie node at which the terminal is complete while tokens go on below.
  struct exit {
    const vocabulary_trie* trie = nullptr;
    std::uint32_t node = 0;
    std::uint32_t tag = 0;
    std::uint32_t depth = 0;  // bytes on the way there
    std::string key;          // the bytes on the way there when they are a key's
  };
  std::uint64_t id = 0;               // no other has it
  const mask_words* slice = nullptr;  // of the vocabulary
  // Another terminal that this one is nearly: with its tokens but `removed`.
  std::shared_ptr<const terminal_mask> base;
  std::vector<token_id> removed;
  token_set tokens;
  std::vector<exit> exits;
  bool shares_exits = false;                      // the base's are exits, too
  std::shared_ptr<const vocabulary_trie> joined;  // what is below all exits, which have one tag

  void add_to(std::span<std::uint32_t> mask) const;
  // The same for a mask of which nothing is written yet.
  void write_to(std::span<std::uint32_t> mask) const;
  std::size_t num_bytes() const {
    return 256 + 4 * removed.size() + tokens.num_bytes() + sizeof(exit) * exits.size();
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
  // Safe tokens of more than max_slice characters, but at most `num_characters`.
  std::span<const token_id> long_tokens(std::uint32_t num_characters) const;
  // The same as tries, of those of more than each of these numbers of characters.
  static constexpr std::array<std::uint32_t, 3> levels{8, 16, max_slice};
  const vocabulary_trie& longer_than(std::size_t level) const { return longer_[level]; }
  std::uint32_t max_token_bytes() const { return max_token_bytes_; }
  std::string_view bytes(token_id token) const;  // empty for what no grammar may use
  // As the tokenizer cuts it when added tokens are ordinary text.
  std::vector<token_id> encode(std::string_view text) const {
    return words_->encode(text, added_tokens_in_text::plain);
  }
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
  std::vector<mask_words> slices_;       // [max_slice + 2]
  std::vector<token_id> long_;           // by length
  std::vector<std::uint32_t> lengths_;   // of long_
  std::vector<vocabulary_trie> longer_;  // [levels]
  std::uint32_t max_token_bytes_ = 0;
  mutable terminal_mask_cache known_masks_;
};

}  // namespace troupe::grammar
