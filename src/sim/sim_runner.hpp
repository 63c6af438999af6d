// Runners that compute nothing. `null` answers at once, so that everything around the device can be
// measured; `sim` answers after the time that a GPU would take. The same tokens from both.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "model/batch_check.hpp"
#include "model/runner.hpp"
#include "sim/token_draw.hpp"

namespace troupe {

// Time as the runner sees it.
class sim_clock {
 public:
  using time_point = std::chrono::steady_clock::time_point;
  virtual ~sim_clock() = default;
  virtual time_point now() = 0;
  virtual void sleep_until(time_point when) = 0;
};
std::shared_ptr<sim_clock> make_steady_clock();

struct sim_runner_options {
  batch_limits limits;
  drawable_tokens tokens;
  std::uint32_t tp_size = 1;
  std::function<double(const step_batch&)> step_seconds;  // null: at once
  std::shared_ptr<sim_clock> clock;                       // only with `step_seconds`
};

class sim_runner : public runner {
 public:
  // Rank 0 answers the samples.
  sim_runner(const sim_runner_options& options, std::uint32_t rank);
  void compute(const step_batch& batch) override;
  void choose(std::span<const token_mask_ptr> promised) override;
  step_result finish() override { return std::move(result_); }
  bool is_ready() override { return true; }
  void abort() noexcept override {}  // no rank waits for another

 private:
  void draw_chunk(const step_batch& batch, const chunk& piece, const token_mask* mask,
                  std::vector<slot_sample>& out);
  void take_time(const step_batch& batch);

  std::function<double(const step_batch&)> step_seconds_;
  std::shared_ptr<sim_clock> clock_;
  sim_clock::time_point ready_at_{};  // when the step before was over
  std::uint32_t rank_;
  batch_check check_;
  token_draw draw_;
  const step_batch* batch_ = nullptr;  // between compute and choose
  step_result result_;                 // between choose and finish
};

// One runner for each rank, all of the same speed.
runner_factory make_sim_runner_factory(sim_runner_options options);

}  // namespace troupe
