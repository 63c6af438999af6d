#include "core/prefix_key.hpp"

#include "core/bits.hpp"

#include <bit>
#include <cassert>

namespace troupe {
namespace {

// Two lanes read the same words in different ways. Each lane is a bijection of its state for a
// given word and of the word for a given state: with a secret state, one lane collides for two
// pages of tokens as seldom as two random numbers do, both lanes as seldom as 128 bits allow.
struct lanes {
  std::uint64_t a = 0, b = 0;

  void take(std::uint64_t word) {
    a = mix_bits(a ^ word) + golden_bits;
    b = std::rotl(mix_bits(b + word), 29) * 0xd6e8feb86659fd93ULL + golden_bits;
  }
  prefix_key finish() const {
    auto high = mix_bits(a + std::rotl(b, 32));
    auto low = mix_bits(b ^ high);
    return {high, high == 0 && low == 0 ? 1 : low};
  }
};

}  // namespace

prefix_key root_key(std::uint64_t cache_salt, rope_kind rope, std::uint64_t secret) {
  lanes state{mix_bits(secret + golden_bits), mix_bits(~secret)};
  state.take(cache_salt);
  state.take(static_cast<std::uint64_t>(rope));
  return state.finish();
}

prefix_key next_key(const prefix_key& parent, std::span<const token_id> page_tokens) {
  assert(page_tokens.size() == page_size_tokens);
  lanes state{parent.high, parent.low};
  for (std::size_t i = 0; i < page_size_tokens; i += 2)
    state.take(two_tokens(page_tokens[i], page_tokens[i + 1]));
  return state.finish();
}

std::vector<prefix_key> prefix_keys(std::span<const token_id> tokens, std::uint64_t cache_salt,
                                    rope_kind rope, std::uint64_t secret) {
  std::vector<prefix_key> keys;
  keys.reserve(tokens.size() / page_size_tokens);
  auto parent = root_key(cache_salt, rope, secret);
  for (; tokens.size() >= page_size_tokens; tokens = tokens.subspan(page_size_tokens))
    keys.push_back(parent = next_key(parent, tokens.first(page_size_tokens)));
  return keys;
}

}  // namespace troupe
