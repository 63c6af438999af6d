// Which answers of several are kept, and what they cost.
#include <doctest/doctest.h>

#include <vector>

#include "net/best_of.hpp"
#include "net/usage.hpp"

namespace troupe {
namespace {

answer_piece scored(std::vector<float> logprobs) {
  answer_piece piece;
  for (auto logprob : logprobs) piece.tokens.push_back({.sampled = {.logprob = logprob}});
  piece.end =
      answer_end{.usage = {.prompt_tokens = 7,
                           .cached_tokens = 2,
                           .completion_tokens = static_cast<std::uint32_t>(logprobs.size())}};
  return piece;
}

TEST_CASE("the best has the highest logprob a token, however long it is") {
  std::vector<answer_piece> choices{scored({-1, -1, -1, -1}),
                                    scored({-2}),
                                    scored({-0.5F, -1}),
                                    scored({-3}),
                                    scored({-1}),
                                    scored({-2})};
  CHECK(keep_best(choices, 3, 1) == std::vector<std::size_t>{2, 4});
  CHECK(keep_best(choices, 3, 2) == std::vector<std::size_t>{2, 0, 4, 5});
  CHECK(keep_best(choices, 3, 3) == std::vector<std::size_t>{0, 1, 2, 3, 4, 5});
}

TEST_CASE("a prompt is paid once, an answer always") {
  std::vector<answer_piece> choices{scored({-1, -1}), scored({-2}), scored({}), scored({-3})};
  auto usage = usage_of_call(choices, 2);
  CHECK(usage.prompt_tokens == 14);
  CHECK(usage.cached_tokens == 4);
  CHECK(usage.completion_tokens == 4);
}

}  // namespace
}  // namespace troupe
