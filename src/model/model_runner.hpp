// The real runner: one rank's forward pass on its device, and what it remembers of its slots.
#pragma once
#include <memory>
#include <vector>

#include "model/batch_check.hpp"
#include "model/forward.hpp"

namespace troupe {

struct model_runner_parts {
  std::unique_ptr<device> target;
  std::unique_ptr<communicator> ranks;
  std::shared_ptr<const device_model> model;
  std::shared_ptr<const void> keep_alive;  // what the device refers to, such as rope tables
};

class model_runner : public runner {
 public:
  model_runner(model_runner_parts parts, const model_config& config, const shard_plan& plan,
               const batch_limits& limits);

  void compute(const step_batch& batch) override;
  void choose(std::span<const token_mask_ptr> promised) override;
  step_result finish() override;
  bool is_ready() override;
  void abort() noexcept override { parts_.ranks->abort(); }

  // One whole step, but instead of sampling gives rank 0 the logits of every row, [num_rows,
  // vocab_size]; the other ranks get none. At most max_num_logit_rows rows.
  std::vector<float> run_for_logits(const step_batch& batch);

 private:
  enum class logit_rows_wanted : std::uint8_t { sampled, all };

  gathered_logits enqueue(const step_batch& batch, logit_rows_wanted wanted);
  void fill_inputs(const step_batch& batch, logit_rows_wanted wanted);
  void add_sampled_rows(const step_batch& batch, const chunk& piece, std::uint32_t first_row);
  void keep_promises(std::span<const token_mask_ptr> promised);
  // Whatever goes wrong on one rank releases the others and becomes a device_error.
  template <class Step>
  auto guarded(const Step& step) -> decltype(step());

  model_runner_parts parts_;
  std::uint32_t vocab_size_;
  std::uint32_t max_num_logit_rows_;
  batch_check check_;
  forward forward_;

  // The step's inputs; they grow to the largest step and stay.
  std::vector<slot_idx> row_slots_;
  std::vector<std::uint32_t> positions_;
  std::vector<rope_kind> ropes_;
  std::vector<attention_chunk> chunks_;
  std::vector<std::uint32_t> logit_rows_;

  std::vector<step_id> chosen_;  // and not finished: a few, oldest first

  // Between compute and choose.
  step_id step_;
  gathered_logits step_logits_;
  std::vector<sampled_row> sampled_rows_;
  std::vector<std::size_t> promised_rows_;  // into sampled_rows_: the ones without their masks
};

}  // namespace troupe
