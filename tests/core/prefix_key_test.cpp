#include "core/prefix_key.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <random>
#include <string>
#include <vector>

using namespace troupe;

namespace {

using page = std::array<token_id, page_size_tokens>;
constexpr std::uint64_t secret = 0x5ec4e7;

page random_page(std::mt19937_64& random) {
  page tokens;
  for (auto& t : tokens) t = static_cast<token_id>(random() % 151'936);
  return tokens;
}

int bits_between(const prefix_key& a, const prefix_key& b) {
  return std::popcount(a.high ^ b.high) + std::popcount(a.low ^ b.low);
}

// How many pairs of equal numbers there are among the sorted ones.
std::size_t count_pairs(std::vector<std::uint32_t> numbers) {
  std::ranges::sort(numbers);
  std::size_t num = 0;
  for (std::size_t i = 1; i < numbers.size(); ++i) num += numbers[i] == numbers[i - 1] ? 1 : 0;
  return num;
}

// Any 32 bits of n good keys meet as often as random numbers: n^2 / 2^33 pairs, give or take.
void check_meetings(const std::vector<prefix_key>& keys) {
  auto n = static_cast<double>(keys.size());
  auto expected = n * n / 0x1p33;
  for (unsigned shift : {0U, 16U, 32U}) {
    for (bool is_high : {false, true}) {
      std::vector<std::uint32_t> parts;
      for (const auto& key : keys)
        parts.push_back(static_cast<std::uint32_t>((is_high ? key.high : key.low) >> shift));
      auto met = static_cast<double>(count_pairs(std::move(parts)));
      CAPTURE(shift);
      CAPTURE(is_high);
      CHECK(std::abs(met - expected) < 5 * std::sqrt(expected));
    }
  }
}

}  // namespace

TEST_CASE("the same keys on every machine") {
  std::vector<token_id> tokens(40);
  for (int i = 0; i < 40; ++i) tokens[std::size_t(i)] = i * 1000 - 1;
  auto keys = prefix_keys(tokens, 7, rope_kind::scaled, secret);
  REQUIRE(keys.size() == 2);
  CHECK(keys[0] == prefix_key{0xe5eeb362d4fd8634ULL, 0x8a51f437526f0928ULL});
  CHECK(keys[1] == prefix_key{0xe693dd116955fb42ULL, 0xda39bb008570dd2dULL});
}

TEST_CASE("one key for each full page, each of all that stands before") {
  std::mt19937_64 random(1);
  std::vector<token_id> tokens;
  for (int i = 0; i < 6; ++i) std::ranges::copy(random_page(random), std::back_inserter(tokens));
  auto keys_of = [&](std::size_t n) {
    return prefix_keys(std::span{tokens}.first(n), 1, rope_kind::plain, secret);
  };
  const auto keys = keys_of(96);
  CHECK(keys.size() == 6);
  for (std::size_t n = 0; n <= 96; ++n) {
    REQUIRE(keys_of(n).size() == n / 16);
    CHECK(std::ranges::equal(keys_of(n), std::span{keys}.first(n / 16)));
  }
  auto parent = root_key(1, rope_kind::plain, secret);
  for (std::size_t i = 0; i < 6; ++i) {
    parent = next_key(parent, std::span{tokens}.subspan(i * 16, 16));
    CHECK(parent == keys[i]);
  }
  tokens[0] ^= 1;
  auto changed = keys_of(96);
  for (std::size_t i = 0; i < 6; ++i) CHECK(changed[i] != keys[i]);
}

TEST_CASE("salt, position embedding and secret part what is alike") {
  const page tokens{1, 2, 3};
  std::vector<prefix_key> keys;
  for (std::uint64_t salt : {0ULL, 1ULL, ~0ULL})
    for (auto rope : {rope_kind::plain, rope_kind::scaled})
      for (auto s : {std::uint64_t{0}, std::uint64_t{1}, secret})
        keys.push_back(prefix_keys(tokens, salt, rope, s).at(0));
  for (std::size_t i = 0; i < keys.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) CHECK(bits_between(keys[i], keys[j]) > 32);
}

TEST_CASE("every bit of parent and page flips every bit of the key half the time") {
  constexpr int num_rounds = 400;
  constexpr int num_inputs = 128 + 16 * 32;
  std::mt19937_64 random(2);
  std::vector<std::array<int, 128>> flips(num_inputs);
  for (int round = 0; round < num_rounds; ++round) {
    const prefix_key parent{random(), random()};
    const auto tokens = random_page(random);
    const auto key = next_key(parent, tokens);
    for (int bit = 0; bit < num_inputs; ++bit) {
      auto p = parent;
      auto t = tokens;
      if (bit < 64)
        p.high ^= 1ULL << bit;
      else if (bit < 128)
        p.low ^= 1ULL << (bit - 64);
      else
        t[std::size_t(bit - 128) / 32] ^= static_cast<token_id>(1U << (bit % 32));
      auto other = next_key(p, t);
      for (int out = 0; out < 64; ++out) {
        flips[std::size_t(bit)][std::size_t(out)] += int((key.low ^ other.low) >> out & 1U);
        flips[std::size_t(bit)][std::size_t(out) + 64] += int((key.high ^ other.high) >> out & 1U);
      }
    }
  }
  // 200 expected, 10 is one sigma: among 82,000 pairs of bits none beyond 6, all but certainly.
  int least = num_rounds, most = 0;
  for (const auto& row : flips)
    for (int n : row) least = std::min(least, n), most = std::max(most, n);
  CHECK(least > 140);
  CHECK(most < 260);
}

TEST_CASE("pages that differ little have keys like random numbers") {
  const auto root = root_key(0, rope_kind::plain, secret);
  std::vector<prefix_key> counting, sparse, chained;
  for (token_id i = 0; i < 200'000; ++i) counting.push_back(next_key(root, page{i}));
  for (int i = 0; i < 512; ++i)
    for (int j = 0; j < i; ++j) {
      page tokens{};
      tokens[std::size_t(i / 32)] ^= static_cast<token_id>(1U << (i % 32));
      tokens[std::size_t(j / 32)] ^= static_cast<token_id>(1U << (j % 32));
      sparse.push_back(next_key(root, tokens));
    }
  // The same page again and again, as padding has it.
  auto parent = root;
  for (int i = 0; i < 200'000; ++i) chained.push_back(parent = next_key(parent, page{}));
  check_meetings(counting);
  check_meetings(sparse);
  check_meetings(chained);
}

TEST_CASE("whoever does not know the secret cannot tell which prompts collide") {
  // All pairs that collide in 20 bits under one secret collide under another as seldom as any.
  std::vector<prefix_key> one, other;
  for (token_id i = 0; i < 20'000; ++i) {
    one.push_back(next_key(root_key(0, rope_kind::plain, 1), page{i, 7}));
    other.push_back(next_key(root_key(0, rope_kind::plain, 2), page{i, 7}));
  }
  auto meets = [](const prefix_key& a, const prefix_key& b) { return (a.low ^ b.low) << 44 == 0; };
  int num_pairs = 0, num_again = 0;
  for (std::size_t i = 0; i < 20'000; ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (meets(one[i], one[j])) {
        ++num_pairs;
        num_again += meets(other[i], other[j]) ? 1 : 0;
      }
  CHECK(num_pairs > 120);
  CHECK(num_again <= 1);
}
