// Steps as they travel to the ranks of other processes.
#include "actors/executor.hpp"

#include <caf/all.hpp>
#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <doctest/doctest.h>

#include <limits>

using namespace troupe;

namespace {

template <class T>
std::vector<char> bytes_of(T& value) {
  std::vector<char> out;
  caf::binary_serializer sink{nullptr, out};
  REQUIRE_FALSE(sink(value));
  return out;
}

template <class T>
T value_of(const std::vector<char>& bytes) {
  T out;
  caf::binary_deserializer source{nullptr, bytes};
  REQUIRE_FALSE(source(out));
  return out;
}

step_batch a_batch() {
  step_batch out{.id = {7}};
  sampling_params sampling;
  sampling.temperature = 0.7F;
  sampling.seed = ~0ULL;
  sampling.stop_token_ids = {5, 6};
  sampling.logit_bias = {{3, -std::numeric_limits<float>::infinity()}};
  out.starts.push_back({2, sampling, {1, 2, 3}, 3, rope_kind::scaled});
  out.chunks.push_back({2, 0, 3, 0, 0, 1, true, 0, 0});
  out.chunks.push_back({4, 3, 2, 10, 1, 2, true, no_mask, 1});
  out.chunks.push_back({5, 5, 1, 11, 3, 4, false, no_mask, 0});
  out.tokens = {1, 2, 3, last_sampled, 9, 10};
  out.page_table = {4, 5, 6, 7, 8, 9, 10};
  out.masks = {std::make_shared<const token_mask>(32, ~0U), nullptr};
  return out;
}

}  // namespace

TEST_CASE("a step arrives as it was sent, but for the bits of its masks") {
  auto sent = a_batch();
  auto got = value_of<step_batch>(bytes_of(sent));
  CHECK(got.id == sent.id);
  REQUIRE(got.starts.size() == 1);
  CHECK(got.starts[0].slot == 2);
  CHECK(got.starts[0].history == sent.starts[0].history);
  CHECK(got.starts[0].num_prompt_tokens == 3);
  CHECK(got.starts[0].rope == rope_kind::scaled);
  CHECK(got.starts[0].sampling.seed == ~0ULL);
  CHECK(got.starts[0].sampling.temperature == 0.7F);
  CHECK(got.starts[0].sampling.stop_token_ids == sent.starts[0].sampling.stop_token_ids);
  CHECK(got.starts[0].sampling.logit_bias == sent.starts[0].sampling.logit_bias);
  REQUIRE(got.chunks.size() == sent.chunks.size());
  for (std::size_t i = 0; i < sent.chunks.size(); ++i) {
    auto &a = got.chunks[i], &b = sent.chunks[i];
    CHECK(std::tie(a.slot, a.first_token_idx, a.num_tokens, a.first_position, a.first_page_idx,
                   a.num_pages, a.sample, a.mask_idx, a.num_drafts) ==
          std::tie(b.slot, b.first_token_idx, b.num_tokens, b.first_position, b.first_page_idx,
                   b.num_pages, b.sample, b.mask_idx, b.num_drafts));
  }
  CHECK(got.tokens == sent.tokens);
  CHECK(got.page_table == sent.page_table);
  REQUIRE(got.masks.size() == 2);
  REQUIRE(got.masks[0]);
  CHECK(got.masks[0]->size() == 32);
  CHECK_FALSE(got.masks[1]);
  CHECK(num_promised_masks(got) == num_promised_masks(sent));
}

TEST_CASE("masks that come later say which rows take part") {
  step_masks sent{.id = {8}, .masks = {nullptr, std::make_shared<const token_mask>(3, 1U)}};
  auto got = value_of<step_masks>(bytes_of(sent));
  CHECK(got.id == sent.id);
  REQUIRE(got.masks.size() == 2);
  CHECK_FALSE(got.masks[0]);
  REQUIRE(got.masks[1]);
  CHECK(got.masks[1]->size() == 3);
  // A mask of the vocabulary costs a byte.
  step_masks large{.id = {8}, .masks = {std::make_shared<const token_mask>(4752, ~0U)}};
  CHECK(bytes_of(large).size() < 32);
}

TEST_CASE("what a rank answers arrives, a failure, too") {
  step_done sent{.result = step_result{{7},
                                       {{2,
                                         {.token = 9,
                                          .logprob = -std::numeric_limits<float>::infinity(),
                                          .most_likely = {}}}}},
                 .seconds = 0.25};
  auto got = value_of<step_done>(bytes_of(sent));
  REQUIRE(got.result);
  CHECK(got.seconds == 0.25);
  CHECK(got.result->id == step_id{7});
  REQUIRE(got.result->samples.size() == 1);
  CHECK(got.result->samples[0].slot == 2);
  CHECK(got.result->samples[0].sampled.token == 9);
  CHECK(got.result->samples[0].sampled.logprob == -std::numeric_limits<float>::infinity());
  step_done failed{.result = failure{error_code::engine_failed, "executor 1 failed: a word"}};
  auto heard = value_of<step_done>(bytes_of(failed));
  REQUIRE_FALSE(heard.result);
  CHECK(heard.result.error().code == error_code::engine_failed);
  CHECK(heard.result.error().message == "executor 1 failed: a word");
}

TEST_CASE("a step that is cut short or lies about its lengths is refused") {
  auto sent = a_batch();
  auto bytes = bytes_of(sent);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    step_batch out;
    caf::binary_deserializer source{nullptr, bytes.data(), length};
    CHECK(source(out));
  }
  std::vector<std::uint32_t> words(10);  // nine of them are a chunk
  auto blob = as_blob(words);
  auto odd = bytes_of(blob);
  std::vector<chunk> chunks;
  chunk_list list{chunks};
  caf::binary_deserializer source{nullptr, odd};
  CHECK(source(list));
  std::vector<char> large;
  caf::binary_serializer sink{nullptr, large};
  std::string presence(1, '\1');
  std::uint32_t num_words = ~0U;
  REQUIRE_FALSE(sink(presence, num_words));
  std::vector<token_mask_ptr> masks;
  mask_presence there{masks};
  caf::binary_deserializer mask_source{nullptr, large};
  CHECK(mask_source(there));
}
