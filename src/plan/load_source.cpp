#include "plan/load_source.hpp"

#include <chrono>
#include <utility>

namespace troupe::planning {
namespace {

using namespace std::chrono_literals;

constexpr auto pause_after_refusal = 1s;

class load_actor : public load_source::base {
 public:
  load_actor(caf::actor_config& config, const load_shape& load, const load_case& row,
             const engine_limits& limits, request_queue queue, std::shared_ptr<observer> eyes)
      : load_source::base(config),
        load_(load),
        row_(row),
        request_timeout_(limits.request_timeout),
        queue_(std::move(queue)),
        eyes_(std::move(eyes)) {}

  const char* name() const override { return "load_source"; }
  void on_exit() override { queue_ = nullptr; }

  behavior_type make_behavior() override {
    if (row_.concurrency == 0) wait_for_arrival();
    for (std::uint32_t i = 0; i < row_.concurrency; ++i) ask_soon();
    return {
        [this](const tokens_ready& news) {
          const auto count = static_cast<std::uint32_t>(news.tokens.size());
          eyes_->got_tokens(news.request, now(), count);
        },
        [this](const finished& news) {
          eyes_->ended(news.request, now(), news.why);
          if (row_.concurrency > 0) ask_soon();
        },
        [this](const tick&) {
          ask();
          if (row_.concurrency == 0) wait_for_arrival();
        },
    };
  }

 private:
  double now() { return seconds_of(clock().now()); }

  void wait_for_arrival() {
    const std::chrono::duration<double> pause(draw_pause(load_, row_.rate, num_sent_));
    delayed_send(this, std::chrono::duration_cast<std::chrono::nanoseconds>(pause), tick{});
  }

  void ask_soon() {
    if (!(load_.turnaround_seconds > 0)) return ask();
    const std::chrono::duration<double> pause(draw_turnaround(load_, num_turnarounds_++));
    delayed_send(this, std::chrono::duration_cast<std::chrono::nanoseconds>(pause), tick{});
  }

  void ask() {
    auto drawn = draw_request(load_, num_sent_);
    generation_request request{.id = {++num_sent_},
                               .prompt = std::move(drawn.prompt),
                               .arrival = clock().now(),
                               .deadline = clock().now() + request_timeout_};
    request.sampling.max_tokens = drawn.num_output;
    request.sampling.ignore_eos = true;
    const auto id = request.id;
    eyes_->arrived(id, now(), static_cast<std::uint32_t>(request.prompt.size()));
    this->request(queue_, caf::infinite, submit{std::move(request), token_sink{this}})
        .then([](const accepted&) {},
              [this, id](const caf::error&) {
                eyes_->refused(id);
                if (row_.concurrency > 0) delayed_send(this, pause_after_refusal, tick{});
              });
  }

  load_shape load_;
  load_case row_;
  std::chrono::milliseconds request_timeout_;
  request_queue queue_;
  std::shared_ptr<observer> eyes_;
  std::uint64_t num_sent_ = 0, num_turnarounds_ = 0;
};

}  // namespace

load_source spawn_load_source(caf::actor_system& system, const load_shape& load,
                              const load_case& row, const engine_limits& limits,
                              request_queue queue, std::shared_ptr<observer> eyes) {
  return system.spawn<load_actor>(load, row, limits, std::move(queue), std::move(eyes));
}

double seconds_of(steady_time moment) {
  return std::chrono::duration<double>(moment.time_since_epoch()).count();
}

}  // namespace troupe::planning
