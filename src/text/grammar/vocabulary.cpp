#include "text/grammar/vocabulary.hpp"

#include "text/utf8.hpp"

#include <algorithm>

namespace troupe::grammar {
namespace {

bool is_safe(std::string_view bytes) {
  const auto unsafe = [](char c) {
    return c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20;
  };
  return std::none_of(bytes.begin(), bytes.end(), unsafe) && is_utf8(bytes);
}

std::uint32_t num_characters(std::string_view text) {
  return static_cast<std::uint32_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !is_utf8_continuation(c); }));
}

}  // namespace

vocabulary_trie::vocabulary_trie(std::vector<entry> entries) {
  std::sort(entries.begin(), entries.end());
  std::vector<std::uint32_t> path{0};  // the nodes on the way to the last entry
  nodes_.emplace_back();
  std::string_view before;
  for (const auto& [bytes, token] : entries) {
    const auto differs = std::mismatch(before.begin(), before.end(), bytes.begin(), bytes.end());
    const auto common = static_cast<std::size_t>(differs.first - before.begin());
    for (; path.size() > common + 1; path.pop_back()) {
      nodes_[path.back()].end = static_cast<std::uint32_t>(nodes_.size());
    }
    for (std::size_t i = common; i < bytes.size(); ++i) {
      path.push_back(static_cast<std::uint32_t>(nodes_.size()));
      node& fresh = nodes_.emplace_back();
      fresh.byte = static_cast<std::uint8_t>(bytes[i]);
      fresh.first = static_cast<std::uint32_t>(tokens_.size());
    }
    ++nodes_[path.back()].num_tokens;
    tokens_.push_back(token);
    before = bytes;
  }
  for (const std::uint32_t open : path) {
    nodes_[open].end = static_cast<std::uint32_t>(nodes_.size());
  }
}

std::span<const token_id> vocabulary_trie::tokens_below(std::uint32_t n) const {
  const std::uint32_t end = nodes_[n].end;
  const std::size_t last = end < nodes_.size() ? nodes_[end].first : tokens_.size();
  return {tokens_.data() + nodes_[n].first, last - nodes_[n].first};
}

std::uint32_t vocabulary_trie::child(std::uint32_t n, std::uint8_t byte) const {
  for (std::uint32_t at = n + 1; at < nodes_[n].end; at = nodes_[at].end) {
    if (nodes_[at].byte == byte) return at;
  }
  return 0;
}

vocabulary::vocabulary(std::shared_ptr<const tokenizer> words, std::uint32_t vocab_size)
    : words_(std::move(words)),
      size_(std::max(vocab_size, words_->vocab_size())),
      all_(list(false)),
      unsafe_(list(true)) {
  slice();
}

std::string_view vocabulary::bytes(token_id token) const {
  if (token < 0 || static_cast<std::uint32_t>(token) >= words_->vocab_size()) return {};
  const std::string_view text = words_->bytes(token);
  return words_->find_added(text) == token ? std::string_view() : text;
}

vocabulary::entries vocabulary::list(bool only_unsafe) const {
  entries out;
  for (std::uint32_t i = 0; i < words_->vocab_size(); ++i) {
    const auto token = static_cast<token_id>(i);
    const std::string_view text = bytes(token);
    if (!text.empty() && !(only_unsafe && is_safe(text))) out.emplace_back(text, token);
  }
  return out;
}

void vocabulary::slice() {
  slices_.assign(max_slice + 2, mask_words(num_mask_words()));
  for (std::uint32_t i = 0; i < words_->vocab_size(); ++i) {
    const auto token = static_cast<token_id>(i);
    const std::string_view text = bytes(token);
    if (text.empty() || !is_safe(text)) continue;
    const std::uint32_t length = num_characters(text);
    if (length > max_slice) long_.push_back(token);
    for (std::uint32_t at = std::min(length, max_slice + 1); at < slices_.size(); ++at) {
      set_bit(slices_[at], token);
    }
  }
}

const mask_words& vocabulary::safe_slice(std::uint32_t num_characters) const {
  return slices_[std::min(num_characters, max_slice + 1)];
}

terminal_mask_ptr terminal_mask_cache::find(const key& at) const {
  const std::lock_guard guard(lock_);
  const auto found = masks_.find(at);
  return found == masks_.end() ? nullptr : found->second;
}

void terminal_mask_cache::add(const key& at, terminal_mask_ptr mask) {
  constexpr std::size_t max_bytes = 64U << 20U;
  const std::lock_guard guard(lock_);
  if (num_bytes_ > max_bytes) {
    masks_.clear();
    num_bytes_ = 0;
  }
  num_bytes_ += mask->num_bytes();
  masks_.emplace(at, std::move(mask));
}

}  // namespace troupe::grammar
