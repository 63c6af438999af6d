#include "core/prompt_lookup.hpp"

#include <doctest/doctest.h>

#include <random>

using namespace troupe;

namespace {

using tokens = std::vector<token_id>;

// The definition, by trying every place.
std::optional<std::uint32_t> find_slowly(const token_history& seen, lookup_bounds bounds) {
  for (auto length = bounds.max_tokens; length >= bounds.min_tokens; --length)
    for (std::size_t place = seen.size() - 1; place >= length && place < seen.size(); --place) {
      bool is_equal = true;
      for (std::uint32_t i = 1; i <= length; ++i)
        is_equal = is_equal && seen[place - i] == seen[seen.size() - i];
      if (is_equal) return static_cast<std::uint32_t>(place);
    }
  return std::nullopt;
}

tokens guess(const prompt_lookup& lookup, const token_history& seen, std::uint32_t count) {
  tokens out;
  lookup.guess(seen, count, out);
  return out;
}

}  // namespace

TEST_CASE("the longest match goes before the latest, the latest among equals") {
  const tokens prompt{1, 2, 3, 50, 9, 2, 3, 60, 7, 2, 3, 70, 8};
  CHECK(find_continuation({prompt, tokens{9, 2, 3}}, {2, 5}) == 7);
  CHECK(find_continuation({prompt, tokens{4, 2, 3}}, {2, 5}) == 11);
  CHECK_FALSE(find_continuation({prompt, tokens{4, 2, 3}}, {3, 5}));
  CHECK(find_continuation({prompt, tokens{9, 2, 3}}, {2, 2}) == 11);
  CHECK_FALSE(find_continuation({prompt, tokens{2}}, {2, 5}));
}

TEST_CASE("a match may lie across the end of the prompt, and reach to the last token") {
  CHECK(find_continuation({tokens{7, 8, 1}, tokens{2, 5, 1, 2}}, {2, 5}) == 4);
  CHECK(find_continuation({tokens{6, 6}, tokens{6}}, {2, 5}) == 2);
  CHECK(find_continuation({tokens{6, 6, 6}, {}}, {2, 5}) == 2);
  CHECK_FALSE(find_continuation({tokens{6}, tokens{6}}, {2, 5}));
  CHECK_FALSE(find_continuation({tokens{1, 2}, {}}, {2, 5}));
}

TEST_CASE("the search finds what trying every place finds") {
  std::mt19937 random(3);
  for (int round = 0; round < 3000; ++round) {
    const auto num_words = 2 + random() % 20;
    tokens all(3 + random() % 400);
    for (auto& t : all) t = static_cast<token_id>(random() % num_words);
    const auto num_prompt = random() % (all.size() + 1);
    const token_history seen{std::span(all).first(num_prompt), std::span(all).subspan(num_prompt)};
    const lookup_bounds bounds{2 + static_cast<std::uint32_t>(random() % 3),
                               4 + static_cast<std::uint32_t>(random() % 4)};
    REQUIRE(find_continuation(seen, bounds) == find_slowly(seen, bounds));
  }
}

TEST_CASE("a guess that runs past the end goes on with its own beginning") {
  const tokens prompt{1, 2, 3, 1, 2};
  prompt_lookup lookup;
  lookup.follow({prompt, {}}, {2, 5});
  CHECK(guess(lookup, {prompt, {}}, 7) == tokens{3, 1, 2, 3, 1, 2, 3});
}

TEST_CASE("while guesses are right, their place moves on; a wrong one starts a new search") {
  tokens seen{1, 2, 3, 4, 5, 2, 3, 9, 1, 2};
  prompt_lookup lookup;
  auto add = [&](token_id token) {
    seen.push_back(token);
    lookup.follow({seen, {}}, {2, 5});
  };
  lookup.follow({seen, {}}, {2, 5});
  CHECK(guess(lookup, {seen, {}}, 2) == tokens{3, 4});
  add(3);  // found anew, 2 3 would be the later one, before 9
  CHECK(guess(lookup, {seen, {}}, 2) == tokens{4, 5});
  add(40);
  CHECK(lookup.odds().first == 0);
  CHECK(guess(lookup, {seen, {}}, 2).empty());
  add(9);
  add(1);  // 9 1 stood before
  CHECK(guess(lookup, {seen, {}}, 2) == tokens{2, 3});
}

TEST_CASE("odds are learnt from every guess, and apart for places just found") {
  tokens seen{1, 2, 3, 4, 5, 6, 7, 8, 1, 2};
  prompt_lookup lookup;
  lookup.follow({seen, {}}, {2, 5});
  const auto before = lookup.odds();
  seen.push_back(3);
  lookup.follow({seen, {}}, {2, 5});
  CHECK(lookup.odds().first == lookup.odds().further);
  CHECK(lookup.odds().further == before.further);
  for (token_id token : {4, 5, 6}) {
    seen.push_back(token);
    lookup.follow({seen, {}}, {2, 5});
  }
  CHECK(lookup.odds().first > before.further);
  // Now always wrong: after the same pair there is something new each time.
  prompt_lookup unlucky;
  seen = {1, 2};
  for (token_id token = 10; token < 60; ++token) {
    for (auto t : {token, 1, 2}) {
      seen.push_back(t);
      unlucky.follow({seen, {}}, {2, 5});
    }
  }
  CHECK(unlucky.odds().first > 0);
  CHECK(unlucky.odds().first < 0.02F);
}

TEST_CASE("a lookup that was not told of some tokens learns nothing from them") {
  tokens seen{1, 2, 3, 4, 1, 2};
  prompt_lookup lookup;
  lookup.follow({seen, {}}, {2, 5});
  const auto before = lookup.odds();
  seen.insert(seen.end(), {9, 9, 8, 3, 4});
  lookup.follow({seen, {}}, {2, 5});
  CHECK(lookup.odds().first == before.first);
  CHECK(guess(lookup, {seen, {}}, 1) == tokens{1});
}
