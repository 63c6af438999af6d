#include "actors/gatekeeper.hpp"

namespace troupe {
namespace {

class gatekeeper_actor : public gatekeeper::base {
 public:
  using gatekeeper::base::base;

  const char* name() const override { return "gatekeeper"; }

  behavior_type make_behavior() override {
    return {
        [this](const ask_passage& ask) {
          auto verdict = rates_.admit(ask.client, ask.limit, now());
          return passage{verdict.passes, verdict.delay, verdict.retry_after};
        },
        [this](const charge_tokens& ask) {
          auto verdict = budgets_.charge(ask.client, ask.per_minute, ask.num_tokens, now());
          return tokens_charged{verdict.passes, verdict.retry_after};
        },
        [this](const return_tokens& unused) {
          budgets_.give_back(unused.client, unused.per_minute, unused.num_tokens, now());
        },
    };
  }

 private:
  std::chrono::milliseconds now() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(clock().now().time_since_epoch());
  }

  rate_limiter rates_;
  token_budget budgets_;
};

}  // namespace

gatekeeper spawn_gatekeeper(caf::actor_system& system) { return system.spawn<gatekeeper_actor>(); }

}  // namespace troupe
