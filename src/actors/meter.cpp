#include "actors/meter.hpp"

#include "actors/tally_text.hpp"

#include <utility>

namespace troupe {
namespace {

class meter_actor : public meter::base {
 public:
  meter_actor(caf::actor_config& config, tally seen)
      : meter::base(config), seen_(std::move(seen)) {}

  const char* name() const override { return "meter"; }

  behavior_type make_behavior() override {
    return {
        [this](const queue_observed& news) { seen_.count(news); },
        [this](const step_observed& news) { seen_.count(news); },
        [this](const pages_observed& news) { seen_.count(news); },
        [this](const request_observed& news) { seen_.count(news); },
        [this](const refusal_observed& news) { seen_.count(news); },
        [this](const http_observed& news) { seen_.count(news); },
        [this](const front_observed& news) { seen_.count(news); },
        [this](const replica_observed& news) { seen_.count(news); },
        [this](const grammar_observed& news) { seen_.count(news); },
        [this](const fleet_observed& news) { seen_.count(news); },
        [this](const overload_observed& news) { seen_.count(news); },
        [this](const log_observed& news) { seen_.count(news); },
        [this](const load_test_observed& news) { seen_.count(news); },
        [this](const render&) { return to_text(seen_, clock().now(), mailbox().size()); },
        [this](const beat&) { return heartbeat{.num_messages = mailbox().size()}; },
    };
  }

 private:
  tally seen_;
};

}  // namespace

meter spawn_meter(caf::actor_system& system, std::string model_name, const engine_limits& limits,
                  const memory_plan& memory, std::string device) {
  tally seen{std::move(model_name), limits, memory};
  seen.device = std::move(device);
  return system.spawn<meter_actor>(std::move(seen));
}

}  // namespace troupe
