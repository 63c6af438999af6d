// All ranks of a model in one object, each run() on a thread of its own, and the steps that tests
// want. For tests only.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "cpu/cpu_runner.hpp"

namespace troupe::testing {

// Options that suit prompts of up to `max_len` tokens, all of whose rows have logits.
cpu_runner_options small_options(dtype type, std::uint32_t tp_size, std::uint32_t num_threads);

// Throws std::runtime_error with the failure's sentence.
template <class T>
T value_of(outcome<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return *std::move(result);
}

class test_replica {
 public:
  explicit test_replica(const std::shared_ptr<const cpu_model>& model);
  // Of any device, by rank.
  explicit test_replica(std::vector<std::unique_ptr<model_runner>> ranks);

  // `promised`: the masks that come when the logits are there.
  step_result run(const step_batch& batch, std::span<const token_mask_ptr> promised = {});
  std::vector<float> run_for_logits(const step_batch& batch);  // rank 0's
  model_runner& rank(std::size_t i) { return *ranks_[i]; }

 private:
  template <class Call>
  auto on_all_ranks(const Call& call);
  std::vector<std::unique_ptr<model_runner>> ranks_;
};

// One sequence in a slot, on pages of its own: page_of(i) is the pool's page for its i-th one.
struct test_sequence {
  slot_idx slot = 0;
  std::vector<page_idx> pages;
  std::vector<token_id> tokens;  // prompt; last_sampled stands for what the slot sampled
  std::uint32_t num_done = 0;    // positions already computed

  slot_start start(const sampling_params& sampling = {}) const;
};

// Appends the sequence's next `count` tokens as one chunk.
void append_chunk(step_batch& batch, test_sequence& sequence, std::uint32_t count, bool sample);

// Logits of all rows of the sequence, [tokens.size(), vocab], computed `chunk_size` rows a step.
std::vector<float> logits_in_chunks(test_replica& replica, test_sequence sequence,
                                    std::uint32_t chunk_size);

// Two sequences of a step are promised masks, of which only the first one's comes: the first
// samples under it, the second does not; it samples when its row is computed again.
void check_late_masks(test_replica& replica, test_sequence first, test_sequence second,
                      std::uint32_t num_tokens);

// `count` greedy tokens after the sequence's prompt.
std::vector<token_id> greedy_tokens(test_replica& replica, test_sequence sequence,
                                    std::uint32_t count);

}  // namespace troupe::testing
