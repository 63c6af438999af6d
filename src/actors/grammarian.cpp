#include "actors/grammarian.hpp"

#include <chrono>
#include <utility>

namespace troupe {
namespace {

class grammarian_actor : public grammarian::base {
 public:
  grammarian_actor(caf::actor_config& config, const engine_limits& limits)
      : grammarian::base(config), constraints_(limits.vocab_size) {}

  const char* name() const override { return "grammarian"; }

  behavior_type make_behavior() override {
    return {
        [this](const advance_constraint& ask) { return advance(ask); },
        [this](const forget_constraint& gone) { constraints_.forget(gone.request); },
        [this](const beat&) { return heartbeat{.num_messages = mailbox().size()}; },
    };
  }

 private:
  mask_ready advance(const advance_constraint& ask) {
    auto start = std::chrono::steady_clock::now();
    auto turn = constraints_.advance(ask.request, ask.constraint, ask.more, ask.max_forced);
    std::chrono::duration<float> spent = std::chrono::steady_clock::now() - start;
    return {std::move(turn), spent.count()};
  }

  running_constraints constraints_;
};

}  // namespace

grammarian spawn_grammarian(caf::local_actor* parent, const engine_limits& limits) {
  return parent->spawn<grammarian_actor, caf::linked + caf::detached>(limits);
}

}  // namespace troupe
