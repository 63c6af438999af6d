// Deadlines, on a stage whose executor never answers.
#include "stage.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

engine_limits limits_for_one() {
  engine_limits limits;
  limits.num_pages = 64;
  limits.max_num_seqs = 1;
  limits.queue_timeout = 2s;
  return limits;
}

// Accepts steps and says nothing.
class silent_executor : public executor::base {
 public:
  using executor::base::base;
  behavior_type make_behavior() override {
    return {[](const run_step&) {}, [](const step_masks&) {}, [](const tick&) {},
            [](const beat&) { return heartbeat{}; }};
  }
};

}  // namespace

TEST_CASE("what waits ends at the queue's timeout, what runs at the request's") {
  auto config = make_config(caf::atom("testing"));
  caf::actor_system system{config};
  caf::scoped_actor self{system};
  auto& director = dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler());
  auto limits = limits_for_one();
  auto observer = spawn_meter(system, "test");
  auto queue = spawn_request_queue(system, limits, observer);
  auto pages = spawn_page_manager(self.ptr(), limits, observer);
  auto rank = system.spawn<silent_executor>();
  auto masks = system.spawn<scheduled_grammarian>(limits, std::make_shared<grammar_desk>());
  auto batch = spawn_batcher(self.ptr(), limits, {queue, pages, masks, {rank}, observer});
  auto running = std::make_shared<heard>(), waiting = std::make_shared<heard>();
  std::vector<caf::actor> readers;
  auto post = [&](std::uint64_t id, std::shared_ptr<heard> ears) {
    generation_request r{.id = {id}, .prompt = {1, 2, 3}};
    r.deadline = director.clock().now() + 5s;
    auto reader = system.spawn<reader_actor>(std::move(ears));
    readers.push_back(caf::actor_cast<caf::actor>(reader));
    self->send(queue, submit{r, reader});
    director.run();
  };
  auto pass = [&](int steps) {
    for (int i = 0; i < steps; ++i) {
      director.advance_time(50ms);
      director.run();
    }
  };
  post(1, running);
  post(2, waiting);
  pass(39);
  CHECK(waiting->endings.empty());
  pass(2);
  REQUIRE(waiting->endings.size() == 1);
  CHECK(waiting->endings[0].why == finish_reason::timed_out);
  CHECK(waiting->endings[0].error.code == error_code::timed_out);
  CHECK(running->endings.empty());
  pass(60);
  REQUIRE(running->endings.size() == 1);
  CHECK(running->endings[0].why == finish_reason::timed_out);
  for (auto& part : {caf::actor_cast<caf::actor>(queue), caf::actor_cast<caf::actor>(pages),
                     caf::actor_cast<caf::actor>(masks), caf::actor_cast<caf::actor>(rank),
                     caf::actor_cast<caf::actor>(batch), caf::actor_cast<caf::actor>(observer)})
    self->send_exit(part, caf::exit_reason::kill);
  for (auto& reader : readers) self->send_exit(reader, caf::exit_reason::kill);
  director.run();
}
