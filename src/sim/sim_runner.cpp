#include "sim/sim_runner.hpp"

#include <thread>
#include <utility>
#include <vector>

namespace troupe {
namespace {

using namespace std::chrono_literals;

// A sleeper wakes up late and a message takes its time; a device has begun its next step meanwhile.
constexpr auto wake_up_time = 300us;

class steady_clock : public sim_clock {
 public:
  time_point now() override { return std::chrono::steady_clock::now(); }
  void sleep_until(time_point when) override { std::this_thread::sleep_until(when); }
};

}  // namespace

std::shared_ptr<sim_clock> make_steady_clock() { return std::make_shared<steady_clock>(); }

sim_runner::sim_runner(const sim_runner_options& options, std::uint32_t rank)
    : step_seconds_(options.step_seconds),
      clock_(options.clock),
      rank_(rank),
      check_(options.limits),
      draw_(options.tokens, options.limits.max_num_seqs) {}

void sim_runner::compute(const step_batch& batch) {
  check_.check(batch);
  batch_ = &batch;
  if (step_seconds_) take_time(batch);
}

void sim_runner::choose(std::span<const token_mask_ptr> promised) {
  check_.check_promised(promised);
  const step_batch& batch = *batch_;
  result_ = {.id = batch.id, .samples = {}};
  if (rank_ != 0) return;
  for (const slot_start& start : batch.starts) draw_.start(start);
  result_.samples.reserve(batch.chunks.size());
  for (const chunk& piece : batch.chunks) {
    if (!piece.sample) continue;
    const bool is_constrained = piece.mask_idx != no_mask;
    const token_mask* mask = is_constrained ? batch.masks[piece.mask_idx].get() : nullptr;
    if (is_constrained && mask == nullptr) {
      mask = promised.front().get();
      promised = promised.subspan(1);
      if (mask == nullptr) continue;
    }
    draw_chunk(batch, piece, mask, result_.samples);
  }
}

// One token, and one more for every draft that is the one drawn.
void sim_runner::draw_chunk(const step_batch& batch, const chunk& piece, const token_mask* mask,
                            std::vector<slot_sample>& out) {
  const auto end = batch.tokens.begin() + piece.first_token_idx + piece.num_tokens;
  for (auto draft = end - piece.num_drafts;; ++draft) {
    out.push_back({piece.slot, draw_.draw(piece.slot, mask)});
    if (draft == end || out.back().sampled.token != *draft) return;
  }
}

void sim_runner::take_time(const step_batch& batch) {
  const std::chrono::duration<double> seconds(step_seconds_(batch));
  const auto now = clock_->now();
  const auto start = now - ready_at_ < wake_up_time ? ready_at_ : now;
  ready_at_ = start + std::chrono::duration_cast<std::chrono::nanoseconds>(seconds);
  clock_->sleep_until(ready_at_);
}

runner_factory make_sim_runner_factory(sim_runner_options options) {
  return [options = std::move(options)] {
    std::vector<std::unique_ptr<runner>> ranks;
    for (std::uint32_t rank = 0; rank < options.tp_size; ++rank) {
      ranks.push_back(std::make_unique<sim_runner>(options, rank));
    }
    return ranks;
  };
}

}  // namespace troupe
