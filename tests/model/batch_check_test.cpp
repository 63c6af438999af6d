#include "model/batch_check.hpp"

#include "model/runner.hpp"

#include <doctest/doctest.h>

#include <functional>

using namespace troupe;

namespace {

constexpr batch_limits limits{.max_num_seqs = 2,
                              .max_num_rows = 8,
                              .max_num_logit_rows = 2,
                              .max_model_len = 40,
                              .num_pages = 4,
                              .vocab_size = 100,
                              .num_choosable_tokens = 90};

step_batch good_batch() {
  step_batch batch;
  batch.starts.push_back({0, {}, {1, 2, 3}, 3, rope_kind::plain});
  batch.chunks.push_back({0, 0, 3, 16, 0, 2, true});
  batch.tokens = {1, 2, 3};
  batch.page_table = {3, 0};
  return batch;
}

bool refused(const std::function<void(step_batch&)>& spoil) {
  step_batch batch = good_batch();
  spoil(batch);
  batch_check check(limits);
  try {
    check.check(batch);
    return false;
  } catch (const device_error&) {
    return true;
  }
}

}  // namespace

TEST_CASE("a good step passes") {
  CHECK_FALSE(refused([](step_batch&) {}));
  CHECK_FALSE(refused([](step_batch& b) { b = {}; }));
}

TEST_CASE("every index of a step is checked") {
  CHECK(refused([](step_batch& b) { b.starts[0].slot = 2; }));
  CHECK(refused([](step_batch& b) { b.starts[0].history.assign(41, 1); }));
  CHECK(refused([](step_batch& b) { b.starts[0].history[1] = 100; }));
  CHECK(refused([](step_batch& b) { b.starts[0].history[1] = -1; }));
  CHECK(refused([](step_batch& b) { b.starts[0].num_prompt_tokens = 4; }));
  CHECK(refused([](step_batch& b) { b.starts[0].rope = static_cast<rope_kind>(2); }));
  CHECK(refused([](step_batch& b) { b.starts.clear(); }));
  CHECK(refused([](step_batch& b) { b.chunks[0].slot = 1; }));
  CHECK(refused([](step_batch& b) { b.chunks[0].slot = ~0U; }));
  CHECK(refused([](step_batch& b) { b.chunks[0].num_tokens = 0; }));
  CHECK(refused([](step_batch& b) { b.chunks[0].num_tokens = ~0U; }));
  CHECK(refused([](step_batch& b) { b.chunks[0].first_token_idx = 1; }));
  CHECK(refused([](step_batch& b) { b.chunks[0].first_position = 38; }));
  CHECK(refused([](step_batch& b) { b.chunks[0].first_position = ~0U; }));
  CHECK(refused([](step_batch& b) { b.chunks[0].num_pages = 1; }));
  CHECK(refused([](step_batch& b) { b.chunks[0].num_pages = ~0U; }));
  CHECK(refused([](step_batch& b) { b.chunks[0].first_page_idx = 1; }));
  CHECK(refused([](step_batch& b) { b.page_table[1] = 4; }));
  CHECK(refused([](step_batch& b) { b.tokens[2] = 100; }));
  CHECK(refused([](step_batch& b) { b.tokens[2] = -2; }));
  CHECK(refused([](step_batch& b) { b.tokens[2] = last_sampled; }));
  CHECK(refused([](step_batch& b) { b.tokens.push_back(1); }));
  CHECK(refused([](step_batch& b) { b.tokens.assign(9, 1); }));
  CHECK(refused([](step_batch& b) { b.chunks.push_back(b.chunks[0]); }));
}

TEST_CASE("a mask lies where its chunk says and has a bit for every token") {
  const auto mask_of = [](std::size_t num_words) {
    return std::make_shared<const token_mask>(num_words, ~0U);
  };
  CHECK_FALSE(refused([&](step_batch& b) {
    b.masks = {mask_of(3)};
    b.chunks[0].mask_idx = 0;
  }));
  CHECK(refused([&](step_batch& b) { b.chunks[0].mask_idx = 0; }));
  CHECK(refused([&](step_batch& b) { b.masks = {nullptr}; }));  // promised to nobody
  CHECK(refused([&](step_batch& b) {
    b.masks = {mask_of(4)};
    b.chunks[0].mask_idx = 0;
  }));
  CHECK(refused([&](step_batch& b) {
    b.masks = {mask_of(3)};
    b.chunks[0].mask_idx = 0;
    b.chunks[0].sample = false;
  }));
}

TEST_CASE("the masks that a step was promised come all, each as long as the vocabulary") {
  const auto come = [](const std::vector<token_mask_ptr>& masks) {
    batch_check check(limits);
    step_batch batch = good_batch();
    batch.masks = {nullptr};
    batch.chunks[0].mask_idx = 0;
    check.check(batch);
    check.check_promised(masks);
    return check;
  };
  const auto mask = std::make_shared<const token_mask>(3, ~0U);
  CHECK_THROWS_AS(come({}), device_error);
  CHECK_THROWS_AS(come({mask, mask}), device_error);
  CHECK_THROWS_AS(come({std::make_shared<const token_mask>(4, ~0U)}), device_error);
  // Only who has sampled has a last token.
  const auto feeds_back = [](batch_check check) {
    step_batch batch = good_batch();
    batch.starts.clear();
    batch.tokens[0] = last_sampled;
    check.check(batch);
  };
  CHECK_NOTHROW(feeds_back(come({mask})));
  CHECK_THROWS_AS(feeds_back(come({nullptr})), device_error);
}

TEST_CASE("drafts stand at the end of a chunk that samples freely, and are tokens") {
  CHECK_FALSE(refused([](step_batch& b) { b.chunks[0].num_drafts = 1; }));
  CHECK(refused([](step_batch& b) { b.chunks[0].num_drafts = 2; }));  // three rows of logits
  CHECK(refused([](step_batch& b) {
    b.chunks[0].num_drafts = 1;
    b.chunks[0].sample = false;
  }));
  CHECK(refused([](step_batch& b) {
    b.chunks[0].num_drafts = 1;
    b.chunks[0].num_tokens = 1;
    b.tokens.resize(1);
  }));
  CHECK(refused([](step_batch& b) {
    b.chunks[0].num_drafts = 1;
    b.chunks[0].mask_idx = 0;
    b.masks = {std::make_shared<const token_mask>(3, ~0U)};
  }));
  batch_check check(limits);
  step_batch batch = good_batch();
  check.check(batch);
  batch.starts.clear();
  batch.chunks[0].num_drafts = 1;
  batch.tokens = {1, last_sampled, 2};  // the token before the drafts may be unknown
  CHECK_NOTHROW(check.check(batch));
  batch.tokens = {1, 2, last_sampled};
  CHECK_THROWS_AS(check.check(batch), device_error);
}

TEST_CASE("two chunks for one slot are refused even when they lie well") {
  CHECK(refused([](step_batch& b) {
    b.chunks.push_back({0, 3, 1, 19, 0, 2, false});
    b.tokens.push_back(4);
  }));
}

TEST_CASE("a slot feeds back only what it has sampled since its start") {
  batch_check check(limits);
  check.check(good_batch());
  step_batch next;
  next.chunks.push_back({0, 0, 1, 19, 0, 2, true});
  next.tokens = {last_sampled};
  next.page_table = {3, 0};
  CHECK_NOTHROW(check.check(next));
  next.starts = good_batch().starts;
  CHECK_THROWS_AS(check.check(next), device_error);
}
