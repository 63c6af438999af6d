#include "model/model_runner.hpp"

#include <algorithm>
#include <exception>
#include <string>
#include <utility>

namespace troupe {

model_runner::model_runner(model_runner_parts parts, const model_config& config,
                           const shard_plan& plan, const batch_limits& limits)
    : parts_(std::move(parts)),
      vocab_size_(config.vocab_size),
      max_num_logit_rows_(limits.max_num_logit_rows),
      check_(limits),
      forward_(*parts_.target, *parts_.ranks, config, plan, *parts_.model,
               {limits.max_num_rows, limits.max_num_logit_rows}) {}

template <class Step>
auto model_runner::guarded(const Step& step) -> decltype(step()) {
  try {
    return step();
  } catch (const device_error&) {
    abort();
    throw;
  } catch (const std::exception& e) {
    abort();
    throw device_error(std::string("A step failed: ") + e.what() + ".");
  }
}

void model_runner::compute(const step_batch& batch) {
  guarded([&] {
    step_logits_ = enqueue(batch, logit_rows_wanted::sampled);
    step_ = batch.id;
  });
}

void model_runner::choose(std::span<const token_mask_ptr> promised) {
  guarded([&] {
    keep_promises(promised);
    if (!sampled_rows_.empty()) {
      if (parts_.ranks->rank() == 0) parts_.target->sample(step_logits_, sampled_rows_);
      parts_.target->share_samples(*parts_.ranks, sampled_rows_);
    }
    chosen_.push_back(step_);
  });
}

step_result model_runner::finish() {
  return guarded([&] {
    const step_id step = chosen_.front();
    chosen_.erase(chosen_.begin());
    return step_result{step, parts_.target->finish_step()};
  });
}

bool model_runner::is_ready() {
  return guarded([&] {
    return chosen_.empty() ? parts_.target->has_logits() : parts_.target->is_step_done();
  });
}

// Rows whose masks do not come leave the step.
void model_runner::keep_promises(std::span<const token_mask_ptr> promised) {
  check_.check_promised(promised);
  for (std::size_t i = promised.size(); i-- > 0;) {
    const auto row = sampled_rows_.begin() + static_cast<std::ptrdiff_t>(promised_rows_[i]);
    if (promised[i] != nullptr) {
      row->mask = promised[i].get();
    } else {
      sampled_rows_.erase(row);
    }
  }
}

std::vector<float> model_runner::run_for_logits(const step_batch& batch) {
  return guarded([&] {
    if (batch.tokens.size() > max_num_logit_rows_) {
      throw device_error("Logits of more rows were asked for than planned for.");
    }
    const gathered_logits logits = enqueue(batch, logit_rows_wanted::all);
    parts_.target->finish_step();
    if (parts_.ranks->rank() != 0) return std::vector<float>();
    const std::size_t width = std::size_t{logits.num_ranks} * logits.columns_per_rank;
    std::vector<float> padded(batch.tokens.size() * width);
    parts_.target->read_logits(logits, padded);
    std::vector<float> out(batch.tokens.size() * vocab_size_);
    for (std::size_t row = 0; row < batch.tokens.size(); ++row) {
      std::copy_n(padded.data() + row * width, vocab_size_, out.data() + row * vocab_size_);
    }
    return out;
  });
}

gathered_logits model_runner::enqueue(const step_batch& batch, logit_rows_wanted wanted) {
  check_.check(batch);
  for (const slot_start& start : batch.starts) parts_.target->start_slot(start);
  fill_inputs(batch, wanted);
  if (batch.tokens.empty()) return {};
  parts_.target->begin_step(
      {batch.tokens, row_slots_, positions_, ropes_, chunks_, batch.page_table, logit_rows_});
  return forward_.run(!logit_rows_.empty());
}

void model_runner::fill_inputs(const step_batch& batch, logit_rows_wanted wanted) {
  row_slots_.clear();
  positions_.clear();
  ropes_.clear();
  chunks_.clear();
  logit_rows_.clear();
  sampled_rows_.clear();
  promised_rows_.clear();
  for (const chunk& piece : batch.chunks) {
    const auto first_row = static_cast<std::uint32_t>(row_slots_.size());
    chunks_.push_back(
        {first_row, piece.num_tokens, piece.first_position, piece.first_page_idx, piece.num_pages});
    for (std::uint32_t i = 0; i < piece.num_tokens; ++i) {
      row_slots_.push_back(piece.slot);
      positions_.push_back(piece.first_position + i);
      ropes_.push_back(check_.rope(piece.slot));
      if (wanted == logit_rows_wanted::all) logit_rows_.push_back(first_row + i);
    }
    if (wanted == logit_rows_wanted::sampled && piece.sample) {
      add_sampled_rows(batch, piece, first_row);
    }
  }
}

void model_runner::add_sampled_rows(const step_batch& batch, const chunk& piece,
                                    std::uint32_t first_row) {
  const bool is_constrained = piece.mask_idx != no_mask;
  const token_mask* mask = is_constrained ? batch.masks[piece.mask_idx].get() : nullptr;
  if (is_constrained && mask == nullptr) promised_rows_.push_back(sampled_rows_.size());
  for (std::uint32_t i = piece.num_tokens - piece.num_drafts; i <= piece.num_tokens; ++i) {
    sampled_rows_.push_back({static_cast<std::uint32_t>(logit_rows_.size()), piece.slot, mask});
    logit_rows_.push_back(first_row + i - 1);
  }
}

}  // namespace troupe
