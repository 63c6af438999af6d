#include "actors/grammarian.hpp"

#include <chrono>
#include <utility>

namespace troupe {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

// A message costs as much as a mask or two: ready ones wait so long for the next ones.
constexpr auto news_period = 100us;

class grammarian_actor : public grammarian::base {
 public:
  grammarian_actor(caf::actor_config& config, const engine_limits& limits)
      : grammarian::base(config), constraints_(limits.vocab_size) {}

  const char* name() const override { return "grammarian"; }

  behavior_type make_behavior() override {
    return {
        [this](const advance_constraints& ask) { advance(ask); },
        [this](const forget_constraint& gone) { constraints_.forget(gone.request); },
        [this](const beat&) { return heartbeat{.num_messages = mailbox().size()}; },
    };
  }

 private:
  void advance(const advance_constraints& ask) {
    masks_ready news;
    auto told = steady_clock::now();
    for (auto& answer : ask.answers) {
      auto start = steady_clock::now();
      if (start - told > news_period && !news.masks.empty()) {
        send(ask.listener, std::exchange(news, {}));
        told = start;
      }
      auto turn =
          constraints_.advance(answer.request, answer.constraint, answer.more, answer.max_forced);
      std::chrono::duration<float> spent = steady_clock::now() - start;
      news.masks.push_back({answer.request, answer.epoch, std::move(turn), spent.count()});
    }
    if (!news.masks.empty()) send(ask.listener, std::move(news));
  }

  running_constraints constraints_;
};

}  // namespace

grammarian spawn_grammarian(caf::local_actor* parent, const engine_limits& limits) {
  return parent->spawn<grammarian_actor, caf::linked + caf::detached>(limits);
}

}  // namespace troupe
