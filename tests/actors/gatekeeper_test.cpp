// The gatekeeper under a virtual clock.
#include "actors/gatekeeper.hpp"

#include <doctest/doctest.h>

#include "stage.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

TEST_CASE("who comes too often waits outside, who uses too much waits for the refill") {
  auto config = make_config(caf::atom("testing"));
  caf::actor_system system{config};
  caf::scoped_actor self{system};
  auto& director = dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler());
  auto keeper = spawn_gatekeeper(system);
  auto ask = [&](auto question, auto& answer) {
    self->send(keeper, question);
    director.run();
    self->receive([&](std::decay_t<decltype(answer)>& a) { answer = std::move(a); });
  };
  passage way;
  rate_limit limit{.milli_per_second = 2000, .milli_burst = 1000};
  auto comes = [&](const char* client) { ask(ask_passage{client, limit}, way); };
  comes("a");
  CHECK(way.is_open);
  comes("a");
  CHECK(way.is_open);
  comes("a");
  CHECK_FALSE(way.is_open);
  CHECK(way.retry_after == 500ms);
  comes("b");
  CHECK(way.is_open);
  director.advance_time(500ms);
  limit.nodelay = false;
  comes("a");
  CHECK(way.is_open);
  CHECK(way.delay == 500ms);

  tokens_charged bill;
  auto uses = [&](std::int64_t tokens) { ask(charge_tokens{"a", 600, tokens}, bill); };
  uses(600);
  CHECK(bill.is_granted);
  uses(10);
  CHECK_FALSE(bill.is_granted);
  CHECK(bill.retry_after == 1000ms);
  self->send(keeper, return_tokens{"a", 600, 4});
  director.run();
  director.advance_time(600ms);
  uses(10);
  CHECK(bill.is_granted);
  self->send_exit(keeper, caf::exit_reason::kill);
  director.run();
}
