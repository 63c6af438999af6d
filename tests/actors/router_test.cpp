#include "actors/load_report.hpp"
#include "fleet_stage.hpp"

#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>

#include <doctest/doctest.h>

#include <limits>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

constexpr token_id eos = 13;

engine_limits make_limits() {
  engine_limits limits;
  limits.num_pages = 64;
  limits.max_num_seqs = 4;
  limits.max_num_batched_tokens = 64;
  limits.max_model_len = 1024;
  limits.eos_token_ids = {eos};
  limits.vocab_size = fake_vocab_size;
  limits.prefix_secret = 7;
  return limits;
}

generation_request make_request(std::uint64_t id, std::vector<token_id> prompt,
                                std::uint32_t max_tokens = 20) {
  generation_request r{.id = {id}, .prompt = std::move(prompt)};
  r.sampling.max_tokens = max_tokens;
  r.sampling.ignore_eos = true;
  r.sampling.seed = id;
  return r;
}

std::vector<token_id> count_from(token_id first, int count) {
  std::vector<token_id> out;
  for (int i = 0; i < count; ++i) out.push_back(first + i);
  return out;
}

std::uint64_t steps_of(fleet_stage& stage, replica_id name) {
  return stage.houses.at(name)->device->num_steps;
}

// What a step of the schedule leaves undone is done one turn at a time.
template <class Condition>
void play_until(fleet_stage& stage, const Condition& is_reached) {
  while (!is_reached()) REQUIRE(stage.director().try_run_once());
}

template <class T>
T travel(caf::actor_system& system, T value) {
  std::vector<char> bytes;
  caf::binary_serializer out{system, bytes};
  REQUIRE_FALSE(out(value));
  T arrived;
  caf::binary_deserializer in{system, bytes};
  REQUIRE_FALSE(in(arrived));
  return arrived;
}

}  // namespace

TEST_CASE("work goes to the replica that has the prefix") {
  fleet_stage stage(make_limits(), make_limits());
  auto one = stage.join();
  auto other = stage.join();
  stage.play();
  auto prompt = count_from(100, 64);
  auto first = std::make_shared<heard>();
  stage.post(make_request(1, prompt, 4), first);
  stage.play();
  REQUIRE(first->endings.size() == 1);
  auto has_it = steps_of(stage, one) > 0 ? one : other;
  auto lacks_it = has_it == one ? other : one;
  stage.self->send(
      stage.routes,
      prefixes_changed{.replica = has_it,
                       .changes = {.added = prefix_keys(prompt, 0, rope_kind::plain, 7)}});
  for (std::uint64_t id = 2; id < 8; ++id) {
    stage.post(make_request(id, prompt, 4), std::make_shared<heard>());
    stage.play();
  }
  CHECK(steps_of(stage, lacks_it) == 0);
  // Another prompt has no reason to go there.
  stage.post(make_request(8, count_from(700, 40), 40), std::make_shared<heard>());
  stage.post(make_request(9, count_from(800, 40), 40), std::make_shared<heard>());
  stage.play();
  CHECK(steps_of(stage, lacks_it) > 0);
}

TEST_CASE("an answer goes on behind its last token when its replica dies") {
  fleet_stage stage(make_limits(), make_limits());
  auto one = stage.join();
  auto request = make_request(1, count_from(100, 40), 50);
  auto ears = std::make_shared<heard>();
  stage.post(request, ears);
  play_until(stage, [&] { return ears->tokens.size() == 17; });
  stage.lose(one);
  stage.play();
  CHECK(ears->endings.empty());
  CHECK(stage.status().num_stranded == 1);
  stage.join();
  stage.play();
  REQUIRE(ears->endings.size() == 1);
  CHECK(ears->endings[0].why == finish_reason::length);
  CHECK(ears->endings[0].usage.completion_tokens == 50);
  CHECK(ears->endings[0].usage.prompt_tokens == 40);
  CHECK(ears->tokens == expected_answer(request, eos));
}

TEST_CASE("an answer whose last word was lost with its replica is not begun again") {
  fleet_stage stage(make_limits(), make_limits());
  auto one = stage.join();
  auto request = make_request(1, count_from(100, 40), 5);
  auto ears = std::make_shared<heard>();
  stage.post(request, ears);
  play_until(stage, [&] { return ears->tokens.size() == 5; });
  if (ears->endings.empty()) stage.lose(one);
  auto other = stage.join();
  stage.play();
  REQUIRE(ears->endings.size() == 1);
  CHECK(ears->endings[0].why == finish_reason::length);
  CHECK(steps_of(stage, other) == 0);
}

TEST_CASE("a request that kills its replicas is not given to a fourth one") {
  fleet_stage stage(make_limits(), make_limits());
  auto ears = std::make_shared<heard>();
  stage.post(make_request(1, count_from(100, 40), 50), ears);
  for (int i = 0; i < 3; ++i) {
    auto name = stage.join();
    auto before = ears->tokens.size();
    play_until(stage, [&] { return ears->tokens.size() > before; });
    CHECK(ears->endings.empty());
    stage.lose(name);
  }
  auto last = stage.join();
  stage.play();
  REQUIRE(ears->endings.size() == 1);
  CHECK(ears->endings[0].why == finish_reason::failed);
  CHECK(ears->endings[0].error.code == error_code::engine_failed);
  CHECK(steps_of(stage, last) == 0);
}

TEST_CASE("what a replica says that was given up means nobody") {
  fleet_stage stage(make_limits(), make_limits());
  auto one = stage.join();
  auto request = make_request(1, count_from(100, 40), 50);
  auto ears = std::make_shared<heard>();
  stage.post(request, ears);
  play_until(stage, [&] { return ears->tokens.size() == 3; });
  stage.cut(one);
  stage.join();
  stage.play();
  REQUIRE(ears->endings.size() == 1);
  CHECK(ears->tokens == expected_answer(request, eos));
}

TEST_CASE("a replica that is closed finishes what it has and gets no more") {
  fleet_stage stage(make_limits(), make_limits());
  auto one = stage.join();
  auto first = std::make_shared<heard>();
  stage.post(make_request(1, count_from(100, 40), 30), first);
  play_until(stage, [&] { return first->tokens.size() == 3; });
  stage.self->send(stage.routes, replica_opened{one, false});
  auto second = std::make_shared<heard>();
  stage.post(make_request(2, count_from(300, 40), 30), second);
  stage.play();
  CHECK(first->endings.size() == 1);
  CHECK(second->tokens.empty());
  stage.self->send(stage.routes, replica_opened{one, true});
  stage.play();
  CHECK(second->endings.size() == 1);
}

TEST_CASE("a request that no replica is there for ends with its time") {
  fleet_stage stage(make_limits(), make_limits());
  auto one = stage.join();
  auto ears = std::make_shared<heard>();
  stage.post(make_request(1, count_from(100, 40), 50), ears);
  play_until(stage, [&] { return ears->tokens.size() == 3; });
  stage.lose(one);
  stage.play();
  stage.advance(50min);
  CHECK(ears->endings.empty());
  stage.advance(20min);
  REQUIRE(ears->endings.size() == 1);
  CHECK(ears->endings[0].why == finish_reason::timed_out);
  CHECK(ears->endings[0].usage.completion_tokens == ears->tokens.size());
}

TEST_CASE("without hope what a replica had ends, too, and what comes back later") {
  fleet_stage stage(make_limits(), make_limits());
  const drain hopeless{.why = {.code = error_code::unavailable, .message = "no replica"},
                       .end_waiting = true};
  auto one = stage.join();
  auto ears = std::make_shared<heard>();
  stage.post(make_request(1, count_from(100, 40), 50), ears);
  play_until(stage, [&] { return ears->tokens.size() == 3; });
  SUBCASE("the replica is lost before") {
    stage.lose(one);
    stage.play();
    CHECK(ears->endings.empty());
    stage.self->send(stage.routes, hopeless);
  }
  SUBCASE("the replica is lost after") {
    stage.self->send(stage.routes, hopeless);
    stage.lose(one);
  }
  stage.play();
  REQUIRE(ears->endings.size() == 1);
  CHECK(ears->endings[0].why == finish_reason::failed);
  CHECK(ears->endings[0].error.message == "no replica");

  stage.self->send(stage.routes, reopen{});
  auto next = std::make_shared<heard>();
  one = stage.join();
  stage.post(make_request(2, count_from(100, 40), 50), next);
  play_until(stage, [&] { return next->tokens.size() == 3; });
  stage.lose(one);
  stage.play();
  CHECK(next->endings.empty());
  stage.join();
  stage.play();
  REQUIRE(next->endings.size() == 1);
  CHECK(next->endings[0].why == finish_reason::length);
}

TEST_CASE("a reader that leaves while its request waits for a replica") {
  fleet_stage stage(make_limits(), make_limits());
  auto one = stage.join();
  auto ears = std::make_shared<heard>();
  stage.post(make_request(1, count_from(100, 40), 50), ears);
  play_until(stage, [&] { return ears->tokens.size() == 3; });
  stage.lose(one);
  stage.self->send(stage.queue, cancel{{1}, finish_reason::stop});
  stage.play();
  REQUIRE(ears->endings.size() == 1);
  CHECK(ears->endings[0].why == finish_reason::stop);
}

TEST_CASE("a reader leaves, and the replica dies before it hears of that") {
  fleet_stage stage(make_limits(), make_limits());
  auto one = stage.join();
  auto ears = std::make_shared<heard>();
  stage.post(make_request(1, count_from(100, 40), 50), ears);
  play_until(stage, [&] { return ears->tokens.size() == 3; });
  stage.silence(one);
  stage.self->send(stage.queue, cancel{{1}});
  stage.play();
  CHECK(ears->endings.empty());
  stage.lose(one);
  auto other = stage.join();
  stage.play();
  REQUIRE(ears->endings.size() == 1);
  CHECK(ears->endings[0].why == finish_reason::cancelled);
  CHECK(steps_of(stage, other) == 0);
}

TEST_CASE("wire messages arrive as they were sent") {
  caf::actor_system_config config = make_config(caf::atom("testing"));
  caf::actor_system system{config};
  auto now = std::chrono::steady_clock::now();
  submit sent{.request = make_request(5, count_from(-3, 70'000), 9)};
  auto& r = sent.request;
  r.generated = {4, 5, 6};
  r.grammar_text = std::make_shared<const std::string>("{\"kind\":2}");
  r.sampling.temperature = 0.7F;
  r.sampling.stop_token_ids = {1, 2};
  r.sampling.logit_bias = {{7, -1.5F}, {9, 2.0F}};
  r.sampling.num_logprobs = 3;
  r.priority = -4;
  r.cache_salt = 1ULL << 61U;
  r.arrival = now - 3s;
  r.deadline = now + 60s;
  auto got = travel(system, sent).request;
  CHECK(got.id == r.id);
  CHECK(got.prompt == r.prompt);
  CHECK(got.generated == r.generated);
  CHECK(got.sampling == r.sampling);
  CHECK(*got.grammar_text == *r.grammar_text);
  CHECK(got.priority == -4);
  CHECK(got.cache_salt == r.cache_salt);
  CHECK(got.queued == steady_time{});
  CHECK(std::chrono::abs(got.arrival - r.arrival) < 1s);
  CHECK(std::chrono::abs(got.deadline - r.deadline) < 1s);

  tokens_ready tokens{{9},
                      {{.token = 3, .logprob = -0.5F, .most_likely = {{3, -0.5F}, {8, -1.F}}}}};
  auto heard_tokens = travel(system, tokens);
  REQUIRE(heard_tokens.tokens.size() == 1);
  CHECK(heard_tokens.tokens[0].most_likely[1].token == 8);
  CHECK(heard_tokens.tokens[0].logprob == -0.5F);

  // What CAF itself would not come to the end of, and what no clock can hold.
  constexpr auto endless = std::numeric_limits<float>::infinity();
  auto impossible = travel(system, tokens_ready{{9}, {{.token = 3, .logprob = -endless}}});
  CHECK(impossible.tokens[0].logprob == -endless);
  sent.request.deadline = steady_time::max();
  CHECK(travel(system, sent).request.deadline > now + 24h);

  finished end{{9},
               finish_reason::failed,
               {1, 2, 3},
               {.code = error_code::queue_full, .message = "m", .field = "f", .retry_after = 5s}};
  auto heard_end = travel(system, end);
  CHECK(heard_end.usage.completion_tokens == 3);
  CHECK(heard_end.error.retry_after == 5s);
  CHECK(heard_end.error.field == "f");

  load_report report{.replica = {4}, .ready = true, .num_waiting = 3};
  report.steps.push_back({.num_running = 2, .oldest = now - 1s, .token_gaps = {0.5F, 0.25F}});
  report.pages = {.num_used = 5, .is_new = true};
  report.pages.prefixes.added.push_back({1, 2});
  report.pages.prefixes.removed.push_back({3, 4});
  auto heard_report = travel(system, report);
  CHECK(heard_report.steps[0].token_gaps == std::vector<float>{0.5F, 0.25F});
  CHECK(heard_report.steps[0].oldest.has_value());
  REQUIRE(heard_report.pages.prefixes.removed.size() == 1);
  CHECK(heard_report.pages.prefixes.removed[0] == prefix_key{3, 4});
  CHECK(heard_report.pages.is_new);
  CHECK(heard_report.pages.num_used == 5);
  CHECK(heard_report.num_waiting == 3);
}
