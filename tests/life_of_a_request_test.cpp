// The life of a request, from text to text, with every actor but the HTTP session. Read it beside
// ARCHITECTURE.md: the numbers are the steps there.
#include <caf/all.hpp>
#include <doctest/doctest.h>

#include "actors/replica.hpp"
#include "engine/load_model.hpp"
#include "text/detokenizer.hpp"

using namespace troupe;
using namespace std::chrono_literals;

TEST_CASE("the life of a request") {
  // A model directory becomes a plan, then weights and runners on the device.
  engine_options options;
  options.model_dir = TROUPE_DEMO_MODEL;
  options.num_kv_pages = 64;
  options.max_model_len = 512;
  auto plan = plan_model(options);
  REQUIRE(plan);
  auto runners = load_runners(*plan, options);
  REQUIRE(runners);

  // The cast takes the stage: a meter, a queue, a replica with its batcher, pages and executor.
  caf::actor_system_config config;
  enroll_cast(config);
  config.set("scheduler.policy", caf::atom("sharing"));
  caf::actor_system system{config};
  caf::scoped_actor self{system};
  auto observer = spawn_meter(system, plan->name);
  auto queue = spawn_request_queue(system, plan->limits, observer);
  auto copy = spawn_replica(system, {.limits = plan->limits}, queue, observer, *runners);

  // 2. Text becomes tokens.
  generation_request request{.id = {1}};
  request.prompt = plan->words->encode("Hello! Who are you?");
  request.sampling.max_tokens = 24;
  request.sampling.temperature = 0;
  request.deadline = std::chrono::steady_clock::now() + 60s;
  detokenizer text(plan->words, {}, request.prompt);

  // 3. The queue accepts it; 4. to 8. batcher, pages, executor and model do their steps.
  auto me = caf::actor_cast<caf::actor>(self);
  auto reader = system.spawn([me](token_sink::pointer) -> token_sink::behavior_type {
    return {[me](const tokens_ready& t) { caf::anon_send(me, t); },
            [me](const finished& f) { caf::anon_send(me, f); }};
  });
  self->request(queue, 5s, submit{request, reader})
      .receive([](const accepted& a) { CHECK(a.num_ahead == 0); },
               [](const caf::error& why) { FAIL(to_failure(why).message); });

  // 9. Tokens come back one step at a time and become text; 10. one ending closes the answer.
  finished end;
  std::uint32_t num_tokens = 0;
  for (bool is_open = true; is_open;)
    self->receive(
        [&](const tokens_ready& t) {
          for (auto& sampled : t.tokens) text.push(sampled.token);
          num_tokens += static_cast<std::uint32_t>(t.tokens.size());
        },
        [&](const finished& f) {
          end = f;
          is_open = false;
        },
        caf::after(60s) >> [&] { FAIL("silence"); });
  text.finish();
  CHECK(!text.take().empty());
  CHECK((end.why == finish_reason::stop || end.why == finish_reason::length));
  CHECK(end.usage.prompt_tokens == request.prompt.size());
  CHECK(end.usage.completion_tokens == num_tokens);
  for (auto& part : {caf::actor_cast<caf::actor>(copy), caf::actor_cast<caf::actor>(queue),
                     caf::actor_cast<caf::actor>(reader), caf::actor_cast<caf::actor>(observer)})
    self->send_exit(part, caf::exit_reason::user_shutdown);
}
