#include "actors/grammarian.hpp"

#include "core/running_constraints.hpp"

namespace troupe {
namespace {

class grammarian_actor : public grammarian::base {
 public:
  grammarian_actor(caf::actor_config& config, const engine_limits& limits)
      : grammarian::base(config), constraints_(limits.vocab_size) {}

  const char* name() const override { return "grammarian"; }

  behavior_type make_behavior() override {
    return {
        [this](const advance_constraint& ask) {
          return mask_ready{constraints_.advance(ask.request, ask.constraint, ask.more)};
        },
        [this](const forget_constraint& gone) { constraints_.forget(gone.request); },
    };
  }

 private:
  running_constraints constraints_;
};

}  // namespace

grammarian spawn_grammarian(caf::local_actor* parent, const engine_limits& limits) {
  return parent->spawn<grammarian_actor, caf::linked + caf::detached>(limits);
}

}  // namespace troupe
