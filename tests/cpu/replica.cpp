#include "replica.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <future>
#include <utility>

namespace troupe::testing {

cpu_runner_options small_options(dtype type, std::uint32_t tp_size, std::uint32_t num_threads) {
  cpu_runner_options options;
  options.type = type;
  options.tp_size = tp_size;
  options.threads.num_threads = num_threads;
  options.max_num_seqs = 8;
  options.max_num_batched_tokens = 256;
  options.max_num_logit_rows = 64;
  options.num_pages = 160;
  options.max_model_len = 1200;
  return options;
}

test_replica::test_replica(const std::shared_ptr<const cpu_model>& model)
    : ranks_(make_model_runners(model)) {}

test_replica::test_replica(std::vector<std::unique_ptr<model_runner>> ranks)
    : ranks_(std::move(ranks)) {}

template <class Call>
auto test_replica::on_all_ranks(const Call& call) {
  std::vector<decltype(std::async(std::launch::async, [&] { return call(*ranks_[0]); }))> others;
  for (std::size_t r = 1; r < ranks_.size(); ++r) {
    others.push_back(std::async(std::launch::async, [&, r] { return call(*ranks_[r]); }));
  }
  auto first = call(*ranks_[0]);
  for (auto& other : others) other.get();
  return first;
}

step_result test_replica::run(const step_batch& batch, std::span<const token_mask_ptr> promised) {
  return on_all_ranks([&](model_runner& rank) {
    rank.compute(batch);
    rank.choose(promised);
    return rank.finish();
  });
}

std::vector<float> test_replica::run_for_logits(const step_batch& batch) {
  return on_all_ranks([&](model_runner& rank) { return rank.run_for_logits(batch); });
}

slot_start test_sequence::start(const sampling_params& sampling) const {
  return {slot, sampling, tokens, static_cast<std::uint32_t>(tokens.size()), rope_kind::plain};
}

void append_chunk(step_batch& batch, test_sequence& sequence, std::uint32_t count, bool sample) {
  const std::uint32_t end = sequence.num_done + count;
  const std::uint32_t num_pages = (end + page_size_tokens - 1) / page_size_tokens;
  batch.chunks.push_back({sequence.slot, static_cast<std::uint32_t>(batch.tokens.size()), count,
                          sequence.num_done, static_cast<std::uint32_t>(batch.page_table.size()),
                          num_pages, sample});
  const auto first = sequence.tokens.begin() + sequence.num_done;
  batch.tokens.insert(batch.tokens.end(), first, first + count);
  batch.page_table.insert(batch.page_table.end(), sequence.pages.begin(),
                          sequence.pages.begin() + num_pages);
  sequence.num_done = end;
}

std::vector<float> logits_in_chunks(test_replica& replica, test_sequence sequence,
                                    std::uint32_t chunk_size) {
  std::vector<float> out;
  const auto total = static_cast<std::uint32_t>(sequence.tokens.size());
  while (sequence.num_done < total) {
    step_batch batch;
    if (sequence.num_done == 0) batch.starts.push_back(sequence.start());
    append_chunk(batch, sequence, std::min(chunk_size, total - sequence.num_done), false);
    const auto rows = replica.run_for_logits(batch);
    out.insert(out.end(), rows.begin(), rows.end());
  }
  return out;
}

void check_late_masks(test_replica& replica, test_sequence first, test_sequence second,
                      std::uint32_t num_tokens) {
  const auto alone = greedy_tokens(replica, second, 2);
  sampling_params greedy;
  greedy.temperature = 0;
  step_batch batch;
  for (test_sequence* sequence : {&first, &second}) {
    batch.starts.push_back(sequence->start(greedy));
    append_chunk(batch, *sequence, static_cast<std::uint32_t>(sequence->tokens.size()), true);
    sequence->tokens.push_back(last_sampled);
  }
  CHECK(replica.run(batch).samples.size() == 2);
  batch = {};
  for (test_sequence* sequence : {&first, &second}) {
    append_chunk(batch, *sequence, 1, true);
    batch.chunks.back().mask_idx = static_cast<std::uint32_t>(batch.masks.size());
    batch.masks.push_back(nullptr);
  }
  constexpr token_id only = 37;
  auto mask = std::make_shared<token_mask>(mask_words(num_tokens));
  mask->at(only / 32) = 1U << (only % 32);
  const auto told = replica.run(batch, std::vector<token_mask_ptr>{mask, nullptr}).samples;
  REQUIRE(told.size() == 1);
  CHECK(told[0].slot == first.slot);
  CHECK(told[0].sampled.token == only);
  batch = {};
  --second.num_done;
  second.tokens.back() = alone[0];
  append_chunk(batch, second, 1, true);
  const auto late = replica.run(batch).samples;
  REQUIRE(late.size() == 1);
  CHECK(late[0].sampled.token == alone[1]);
}

std::vector<token_id> greedy_tokens(test_replica& replica, test_sequence sequence,
                                    std::uint32_t count) {
  sampling_params greedy;
  greedy.temperature = 0;
  step_batch batch;
  batch.starts.push_back(sequence.start(greedy));
  std::vector<token_id> out;
  while (out.size() < count) {
    const auto left = static_cast<std::uint32_t>(sequence.tokens.size()) - sequence.num_done;
    const std::uint32_t rows = std::min(left, 64U);
    append_chunk(batch, sequence, rows, rows == left);
    const step_result result = replica.run(batch);
    batch = {};
    if (rows < left) continue;
    out.push_back(result.samples.at(0).sampled.token);
    sequence.tokens.push_back(last_sampled);
  }
  return out;
}

}  // namespace troupe::testing
