#include "actors/grammar_maker.hpp"

#include <sys/resource.h>

#include <chrono>
#include <exception>

namespace troupe {
namespace {

// A third of the weight of a thread that computes steps: on a machine that is busy with answers, a
// schema waits rather than they do.
constexpr int niceness = 5;

class grammar_maker_actor : public grammar_maker::base {
 public:
  using grammar_maker::base::base;

  const char* name() const override { return "grammar_maker"; }

  behavior_type make_behavior() override {
    // On Linux the "process" 0 of setpriority is the calling thread. Failure leaves it as it was.
    static_cast<void>(setpriority(PRIO_PROCESS, 0, niceness));
    return {[](const make_grammar& ask) { return make(ask); }};
  }

 private:
  static caf::result<grammar_made> make(const make_grammar& ask) {
    auto start = std::chrono::steady_clock::now();
    try {
      auto made = ask.source->compile();
      std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
      return grammar_made{std::move(made), spent.count()};
    } catch (const std::exception& error) {
      return make_error(
          {.code = error_code::constraint_failed,
           .message = std::string("the compiler of grammars failed: ") + error.what()});
    }
  }
};

}  // namespace

grammar_maker spawn_grammar_maker(caf::local_actor* parent) {
  return parent->spawn<grammar_maker_actor, caf::detached>();
}

}  // namespace troupe
