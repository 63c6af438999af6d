// What a trie says of all tokens below a node, against what a reader of each token finds.
#include "text/grammar/vocabulary.hpp"
#include "text/utf8.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace troupe::grammar {
namespace {

// Whether some bytes make UTF-8 of it.
bool begins_utf8(const std::string& text) {
  if (is_utf8(text)) return true;
  for (const char next : {'\x80', '\x90', '\xA0', '\xBF'}) {
    for (const char after : {'\x80', '\xBF'}) {
      for (const std::string& more :
           {std::string{next}, std::string{next, after}, std::string{next, after, after}}) {
        if (is_utf8(text + more)) return true;
      }
    }
  }
  return false;
}

struct contents {
  byte_groups groups = 0;
  std::uint32_t length = 0;
};

contents read(const std::string& text) {
  contents out;
  if (!begins_utf8(text)) return {group_bit(group::broken), 0};
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<std::uint8_t>(text[i]);
    if (byte < 0x80) out.groups |= group_bit(ascii_groups[byte]);
    if (byte >= 0xC0) out.groups |= group_bit(group::beyond_ascii);
    const std::string three = text.substr(i, 3);
    if (three == "\u2028" || three == "\u2029") out.groups |= group_bit(group::line_ends);
    if (!is_utf8_continuation(text[i])) ++out.length;
  }
  return out;
}

// Characters, pieces of them, and bytes that belong to none.
std::vector<std::string> random_tokens(std::uint32_t seed) {
  static const std::vector<std::string> pieces{"a",        "z",        "A",
                                               "0",        " ",        "\"",
                                               "\n",       "\x7F",     "\u00E9",
                                               "\u2028",   "\u2029",   "\u202A",
                                               "\u4F60",   "\xE2\x80", "\xE2",
                                               "\xE0\xA0", "\xE0\x80", "\xED\x9F",
                                               "\xED\xA0", "\xF0\x90", "\xF0\x80",
                                               "\xF4\x8F", "\xF4\x90", "\xC1",
                                               "\xFF",     "\x80",     "\xF0\x9F\x98\x80"};
  std::mt19937 random(seed);
  std::vector<std::string> out;
  for (int i = 0; i < 60; ++i) {
    std::string token;
    for (std::size_t n = 1 + random() % 4; n > 0; --n) token += pieces[random() % pieces.size()];
    out.push_back(std::move(token));
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

void check_node(const vocabulary_trie& trie, const std::vector<std::string>& tokens,
                std::uint32_t node, const std::string& path) {
  const auto& here = trie.at(node);
  for (std::uint32_t i = here.children; i < here.children + here.num_children; ++i) {
    const std::string below = path + static_cast<char>(trie.byte(i));
    check_node(trie, tokens, i, below);
    if (!is_utf8(path)) continue;  // no character begins there
    contents all;
    for (const token_id token : trie.tokens_below(trie.at(i))) {
      const contents one = read(tokens[static_cast<std::size_t>(token)].substr(path.size()));
      all.groups |= one.groups;
      all.length = std::max(all.length, one.length);
    }
    CAPTURE(below);
    const bool is_broken = (all.groups & group_bit(group::broken)) != 0;
    CHECK(trie.is_within(i, all_groups, 100) == !is_broken);
    if (is_broken) continue;
    CHECK(trie.is_within(i, all.groups, all.length));
    CHECK(!trie.is_within(i, all.groups, all.length - 1));
    for (byte_groups left = all.groups; left != 0; left &= left - 1) {
      CHECK(!trie.is_within(i, all.groups & ~(left & -left), 100));
    }
  }
}

TEST_CASE("a node knows the characters of all tokens below it") {
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    const std::vector<std::string> tokens = random_tokens(seed);
    std::vector<vocabulary_trie::entry> entries;
    for (const std::string& token : tokens) {
      entries.emplace_back(token, static_cast<token_id>(entries.size()));
    }
    check_node(vocabulary_trie(std::move(entries)), tokens, 0, "");
  }
}

}  // namespace
}  // namespace troupe::grammar
