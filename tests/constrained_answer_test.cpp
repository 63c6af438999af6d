// Constraints on the real model, from queue to logits: the same bits under every schedule.
#include <caf/all.hpp>
#include <doctest/doctest.h>

#include "actors/replica.hpp"
#include "engine/load_model.hpp"
#include "rule_constraint.hpp"

#include <map>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

struct answer {
  std::vector<token_id> tokens;
  std::vector<float> logprobs;
  finish_reason why = finish_reason::failed;
  bool operator==(const answer&) const = default;
};
using answers = std::map<std::uint64_t, answer>;

// Every second request under a constraint; greedy ones, seeded ones, ones with penalties.
std::vector<generation_request> make_requests(const planned_model& plan) {
  auto eos = plan.defaults.eos_token_ids.at(0);
  std::vector<generation_request> requests;
  for (std::uint64_t i = 1; i <= 12; ++i) {
    generation_request r{.id = {i}};
    r.prompt = plan.words->encode("Hello! Who are you, and what is " + std::to_string(i / 4) + "?");
    r.sampling.max_tokens = 24;
    r.sampling.temperature = i % 3 == 0 ? 0.0F : 1.0F;
    r.sampling.top_k = i % 4 == 0 ? 40 : 0;
    r.sampling.top_p = i % 5 == 0 ? 0.9F : 1.0F;
    r.sampling.repetition_penalty = i % 4 == 1 ? 1.2F : 1.0F;
    r.sampling.min_tokens = i % 3 == 1 ? 9 : 0;
    r.sampling.seed = i;
    r.sampling.num_logprobs = 0;
    if (i % 2 == 0) r.constraint = follow_the_sum(eos);
    r.deadline = std::chrono::steady_clock::now() + 100s;
    requests.push_back(std::move(r));
  }
  requests.back().constraint = spell({9, 8, 7, 6}, eos);
  return requests;
}

answers run(const planned_model& plan, const runner_factory& runners, const engine_limits& limits) {
  caf::actor_system_config config;
  enroll_cast(config);
  config.set("scheduler.policy", caf::atom("sharing"));
  caf::actor_system system{config};
  caf::scoped_actor self{system};
  auto observer = spawn_meter(system, plan.name);
  auto queue = spawn_request_queue(system, limits, observer);
  auto copy = spawn_replica(system, {.limits = limits}, queue, observer, runners);
  auto me = caf::actor_cast<caf::actor>(self);
  auto reader = system.spawn([me](token_sink::pointer) -> token_sink::behavior_type {
    return {[me](const tokens_ready& t) { caf::anon_send(me, t); },
            [me](const finished& f) { caf::anon_send(me, f); }};
  });
  auto requests = make_requests(plan);
  for (auto& r : requests) self->send(queue, submit{r, reader});
  answers all;
  for (auto num_open = requests.size(); num_open > 0;)
    self->receive(
        [&](const tokens_ready& t) {
          for (auto& sampled : t.tokens) {
            all[t.request.value].tokens.push_back(sampled.token);
            all[t.request.value].logprobs.push_back(sampled.logprob);
          }
        },
        [&](const finished& f) {
          CHECK(f.error.message == "");
          all[f.request.value].why = f.why;
          --num_open;
        },
        [](const accepted&) {}, caf::after(60s) >> [] { FAIL("silence"); });
  for (auto& part : {caf::actor_cast<caf::actor>(copy), caf::actor_cast<caf::actor>(queue),
                     caf::actor_cast<caf::actor>(reader), caf::actor_cast<caf::actor>(observer)})
    self->send_exit(part, caf::exit_reason::user_shutdown);
  return all;
}

engine_options demo_options(std::uint32_t tp_size) {
  engine_options options;
  options.model_dir = TROUPE_DEMO_MODEL;
  options.num_kv_pages = 64;
  options.max_model_len = 256;
  options.threads = 1;
  options.tensor_parallel_size = tp_size;
  return options;
}

// Every constrained answer is one that its constraint allows.
void check_bound(const planned_model& plan, const answers& all) {
  auto eos = plan.defaults.eos_token_ids.at(0);
  for (auto& r : make_requests(plan)) {
    auto& got = all.at(r.id.value);
    CAPTURE(r.id.value);
    if (!r.constraint) continue;
    auto place = r.constraint->start();
    for (auto token : got.tokens) CHECK(place->accept(token));
    CHECK((got.tokens.back() == eos) == (got.why == finish_reason::stop));
  }
  CHECK(all.at(12).tokens == std::vector<token_id>{9, 8, 7, 6, eos});
}

}  // namespace

TEST_CASE("constrained and free answers are the same bits under every schedule") {
  auto options = demo_options(1);
  auto plan = plan_model(options);
  REQUIRE(plan);
  auto runners = load_runners(*plan, options);
  REQUIRE(runners);
  auto limits = plan->limits;
  auto expected = run(*plan, *runners, limits);
  check_bound(*plan, expected);
  limits.max_num_seqs = 1;
  CHECK(run(*plan, *runners, limits) == expected);
  limits.max_num_seqs = 5;
  limits.max_num_batched_tokens = 7;
  CHECK(run(*plan, *runners, limits) == expected);
  limits.num_pages = 9;  // preempts
  limits.max_num_seqs = 8;
  limits.enable_prefix_caching = false;
  limits.max_model_len = 144;
  CHECK(run(*plan, *runners, limits) == expected);
}

TEST_CASE("two ranks sample under one mask") {
  auto options = demo_options(2);
  auto plan = plan_model(options);
  REQUIRE(plan);
  auto runners = load_runners(*plan, options);
  REQUIRE(runners);
  check_bound(*plan, run(*plan, *runners, plan->limits));
}
