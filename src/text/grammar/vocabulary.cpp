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

// Places within a UTF-8 character, and which groups beyond ASCII its bytes belong to.
struct utf8_reader {
  enum : std::uint8_t { border, one, two, three, e0, ed, f0, f4, e2, e2_80, num_places, nowhere };
  static constexpr std::uint8_t other = 1, line_end = 2, broken = 4;  // of the groups' order

  // The next place, and what was seen.
  static constexpr std::pair<std::uint8_t, std::uint8_t> read(std::uint8_t place,
                                                              std::uint8_t byte) {
    if (place == border) return begin(byte);
    const auto between = [byte](int low, int high) { return byte >= low && byte <= high; };
    if (place == nowhere || !between(0x80, 0xBF)) return {border, broken};
    switch (place) {
      case one: return {border, 0};
      case two: return {one, 0};
      case three: return {two, 0};
      case e0: return {one, between(0xA0, 0xBF) ? std::uint8_t{0} : broken};
      case ed: return {one, between(0x80, 0x9F) ? std::uint8_t{0} : broken};
      case f0: return {two, between(0x90, 0xBF) ? std::uint8_t{0} : broken};
      case f4: return {two, between(0x80, 0x8F) ? std::uint8_t{0} : broken};
      case e2: return {byte == 0x80 ? e2_80 : one, 0};
      default: return {border, between(0xA8, 0xA9) ? line_end : std::uint8_t{0}};
    }
  }

  static constexpr std::pair<std::uint8_t, std::uint8_t> begin(std::uint8_t byte) {
    if (byte < 0x80) return {border, 0};
    if (byte < 0xC2 || byte > 0xF4) return {border, broken};
    switch (byte) {
      case 0xE0: return {e0, other};
      case 0xE2: return {e2, other};
      case 0xED: return {ed, other};
      case 0xF0: return {f0, other};
      case 0xF4: return {f4, other};
      default: return {byte < 0xE0 ? one : byte < 0xF0 ? two : three, other};
    }
  }
};
static_assert(group::line_ends == group::beyond_ascii + 1 && group::broken == group::line_ends + 1);

}  // namespace

token_set::token_set(std::vector<token_id> tokens, std::size_t num_mask_words) {
  constexpr std::size_t many = 1'024;  // from here on a bitmap is faster than a list
  if (tokens.size() < many) {
    tokens.shrink_to_fit();
    tokens_ = std::move(tokens);
    return;
  }
  bits_.assign(num_mask_words, 0);
  for (const token_id token : tokens) set_bit(bits_, token);
}

void token_set::add_to(std::span<std::uint32_t> mask) const {
  for (const token_id token : tokens_) set_bit(mask, token);
  for (std::size_t i = 0; i < bits_.size(); ++i) mask[i] |= bits_[i];
}

void token_set::write_to(std::span<std::uint32_t> mask) const {
  if (bits_.empty()) {
    std::fill(mask.begin(), mask.end(), 0);
  } else {
    std::copy(bits_.begin(), bits_.end(), mask.begin());
  }
  for (const token_id token : tokens_) set_bit(mask, token);
}

void token_set::join(const mask_words& more) {
  mask_words all = more;
  add_to(all);
  bits_ = std::move(all);
  tokens_ = {};
}

void terminal_mask::write_to(std::span<std::uint32_t> mask) const {
  if (base) {
    base->write_to(mask);
    for (const token_id token : removed) clear_bit(mask, token);
    return tokens.add_to(mask);
  }
  if (slice == nullptr) return tokens.write_to(mask);
  std::copy(slice->begin(), slice->end(), mask.begin());
  tokens.add_to(mask);
}

void terminal_mask::add_to(std::span<std::uint32_t> mask) const {
  for (std::size_t i = 0; slice != nullptr && i < slice->size(); ++i) mask[i] |= (*slice)[i];
  if (base) {
    std::vector<token_id> kept;  // somebody else's tokens
    for (const token_id token : removed) {
      if (has_bit(mask, token)) kept.push_back(token);
    }
    base->add_to(mask);
    for (const token_id token : removed) clear_bit(mask, token);
    for (const token_id token : kept) set_bit(mask, token);
  }
  tokens.add_to(mask);
}

vocabulary_trie::vocabulary_trie(std::vector<entry> entries) {
  std::sort(entries.begin(), entries.end());
  for (const entry& each : entries) tokens_.push_back(each.second);
  nodes_.emplace_back();
  bytes_.push_back(0);
  nodes_[0].end = static_cast<std::uint32_t>(entries.size());
  std::vector<std::pair<std::uint32_t, std::size_t>> open{{0, 0}};  // node and depth
  while (!open.empty()) {
    const auto [n, depth] = open.back();
    open.pop_back();
    add_children(n, depth, entries);
    for (std::uint32_t i = nodes_[n].num_children; i > 0; --i) {
      open.emplace_back(nodes_[n].children + i - 1, depth + 1);
    }
  }
  summarise();
}

// From the leaves up. What non-ASCII bytes below a node mean depends on where in a character they
// begin: it is found for every such place.
void vocabulary_trie::summarise() {
  std::vector<std::uint8_t> places(nodes_.size(), utf8_reader::border);
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    const node& here = nodes_[n];
    for (std::size_t i = here.children; i < here.children + here.num_children; ++i) {
      const auto [next, seen] = utf8_reader::read(places[n], bytes_[i]);
      places[i] = next;
      if (seen == utf8_reader::broken) places[i] = utf8_reader::nowhere;
    }
  }
  groups_.assign(nodes_.size(), 0);
  lengths_.assign(nodes_.size(), 0);
  std::vector<std::array<std::uint8_t, utf8_reader::num_places>> beyond(nodes_.size());
  for (std::size_t n = nodes_.size(); n-- > 0;) {
    const node& here = nodes_[n];
    for (std::size_t i = here.children; i < here.children + here.num_children; ++i) {
      const std::uint8_t byte = bytes_[i];
      if (byte < 0x80) groups_[i] |= group_bit(ascii_groups[byte]);
      if (!is_utf8_continuation(static_cast<char>(byte)) && lengths_[i] < 255) ++lengths_[i];
      groups_[n] |= groups_[i];
      lengths_[n] = std::max(lengths_[n], lengths_[i]);
      for (std::uint8_t place = 0; place < utf8_reader::num_places; ++place) {
        const auto [next, seen] = utf8_reader::read(place, byte);
        beyond[n][place] |= seen;
        if (seen != utf8_reader::broken) beyond[n][place] |= beyond[i][next];
      }
    }
  }
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    const node& here = nodes_[n];
    for (std::size_t i = here.children; i < here.children + here.num_children; ++i) {
      const auto [next, seen] = utf8_reader::read(utf8_reader::border, bytes_[i]);
      std::uint8_t all = seen;
      if (places[n] != utf8_reader::border) all = utf8_reader::broken;
      if (all != utf8_reader::broken) all |= beyond[i][next];
      groups_[i] |= byte_groups{all} << group::beyond_ascii;
    }
  }
}

void vocabulary_trie::add_children(std::uint32_t n, std::size_t depth,
                                   const std::vector<entry>& entries) {
  const std::uint32_t end = nodes_[n].end;
  std::uint32_t at = nodes_[n].first;
  while (at < end && entries[at].first.size() == depth) ++at;
  nodes_[n].num_tokens = static_cast<std::uint16_t>(at - nodes_[n].first);
  nodes_[n].children = static_cast<std::uint32_t>(nodes_.size());
  while (at < end) {
    node child;
    child.first = at;
    const char byte = entries[at].first[depth];
    while (at < end && entries[at].first[depth] == byte) ++at;
    child.end = at;
    nodes_.push_back(child);
    bytes_.push_back(static_cast<std::uint8_t>(byte));
    ++nodes_[n].num_children;
  }
}

std::uint32_t vocabulary_trie::child(std::uint32_t n, std::uint8_t byte) const {
  const node& here = nodes_[n];
  const auto first = bytes_.begin() + here.children;
  const auto last = first + here.num_children;
  const auto found = std::lower_bound(first, last, byte);
  if (found == last || *found != byte) return 0;
  return static_cast<std::uint32_t>(found - bytes_.begin());
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
  std::vector<std::pair<std::uint32_t, token_id>> long_ones;
  std::array<entries, levels.size()> longer;
  for (std::uint32_t i = 0; i < words_->vocab_size(); ++i) {
    const auto token = static_cast<token_id>(i);
    const std::string_view text = bytes(token);
    max_token_bytes_ = std::max(max_token_bytes_, static_cast<std::uint32_t>(text.size()));
    if (text.empty() || !is_safe(text)) continue;
    const std::uint32_t length = num_characters(text);
    if (length > max_slice) long_ones.emplace_back(length, token);
    for (std::size_t level = 0; level < levels.size(); ++level) {
      if (length > levels[level]) longer[level].emplace_back(text, token);
    }
    for (std::uint32_t at = std::min(length, max_slice + 1); at < slices_.size(); ++at) {
      set_bit(slices_[at], token);
    }
  }
  for (entries& each : longer) longer_.emplace_back(std::move(each));
  std::sort(long_ones.begin(), long_ones.end());
  for (const auto& [length, token] : long_ones) {
    lengths_.push_back(length);
    long_.push_back(token);
  }
}

std::span<const token_id> vocabulary::long_tokens(std::uint32_t num_characters) const {
  const auto end = std::upper_bound(lengths_.begin(), lengths_.end(), num_characters);
  return {long_.data(), static_cast<std::size_t>(end - lengths_.begin())};
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
