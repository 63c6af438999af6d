// What the meter says after a story whose numbers are known.
#include "actors/heartbeat.hpp"
#include "actors/tally_text.hpp"
#include "stage.hpp"

#include <doctest/doctest.h>

#include <set>
#include <sstream>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

steady_time at(double seconds) {
  return steady_time{} + 1h +
         std::chrono::duration_cast<steady_time::duration>(std::chrono::duration<double>(seconds));
}

// The value of the line that begins with `sample`; -1 if there is none.
double value_of(const std::string& text, const std::string& sample) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(sample + " ")) return std::stod(line.substr(sample.size() + 1));
  return -1;
}

tally make_tally() {
  engine_limits limits;
  limits.max_model_len = 100;
  limits.max_num_seqs = 8;
  limits.num_pages = 100;
  return {"m", limits, {}};
}

std::string name(const std::string& family, const std::string& more = "") {
  return family + "{model_name=\"m\",engine=\"0\"" + (more.empty() ? "" : "," + more) + "}";
}

engine_limits small_limits(std::uint32_t num_pages) {
  engine_limits limits;
  limits.num_pages = num_pages;
  limits.max_num_seqs = 4;
  limits.max_num_batched_tokens = 64;
  limits.max_model_len = 512;
  limits.eos_token_ids = {-5};
  return limits;
}

generation_request make(std::uint64_t id, std::uint32_t num_prompt, std::uint32_t max_tokens) {
  generation_request r{.id = {id}};
  for (std::uint32_t i = 0; i < num_prompt; ++i) r.prompt.push_back(token_id(id * 1000 + i));
  r.sampling.max_tokens = max_tokens;
  return r;
}

}  // namespace

TEST_CASE("a request's times are those of vLLM") {
  auto seen = make_tally();
  seen.count(
      request_observed{.why = finish_reason::length,
                       .usage = {.prompt_tokens = 30, .cached_tokens = 16, .completion_tokens = 5},
                       .max_tokens = 5,
                       .arrival = at(0),
                       .queued = at(1),
                       .admitted = at(3),
                       .first_token = at(7),
                       .last_token = at(15)});
  auto text = to_text(seen, at(20), 0);
  auto sum = [&](const std::string& family) { return value_of(text, name(family + "_sum")); };
  CHECK(sum("vllm:request_queue_time_seconds") == doctest::Approx(2));
  CHECK(sum("vllm:request_prefill_time_seconds") == doctest::Approx(4));
  CHECK(sum("vllm:request_decode_time_seconds") == doctest::Approx(8));
  CHECK(sum("vllm:request_inference_time_seconds") == doctest::Approx(12));
  CHECK(sum("vllm:e2e_request_latency_seconds") == doctest::Approx(15));
  CHECK(sum("vllm:request_time_per_output_token_seconds") == doctest::Approx(2));
  CHECK(sum("vllm:request_prompt_tokens") == 30);
  CHECK(sum("vllm:request_generation_tokens") == 5);
  CHECK(sum("vllm:request_params_max_tokens") == 5);
  CHECK(sum("vllm:request_prefill_kv_computed_tokens") == 14);
  CHECK(value_of(text, name("vllm:request_prompt_tokens_bucket", "le=\"20\"")) == 0);
  CHECK(value_of(text, name("vllm:request_prompt_tokens_bucket", "le=\"50\"")) == 1);
}

TEST_CASE("vLLM's reasons cover all of ours") {
  auto seen = make_tally();
  for (auto why : {finish_reason::stop, finish_reason::length, finish_reason::cancelled,
                   finish_reason::failed, finish_reason::timed_out})
    seen.count(request_observed{.why = why});
  auto text = to_text(seen, at(0), 0);
  auto ended = [&](const std::string& why) {
    return value_of(text, name("vllm:request_success_total", "finished_reason=\"" + why + "\""));
  };
  CHECK(ended("stop") == 1);
  CHECK(ended("length") == 1);
  CHECK(ended("abort") == 2);
  CHECK(ended("error") == 1);
  CHECK(value_of(text, name("troupe_requests_finished_total", "reason=\"timed_out\"")) == 1);
}

TEST_CASE("tokens count with the step that sent them") {
  auto seen = make_tally();
  seen.count(step_observed{.prefill_tokens = 20,
                           .decode_tokens = 2,
                           .seconds = 0.5,
                           .first_tokens = {{1.5, 20, 16}},
                           .token_gaps = {0.25F, 0.5F}});
  auto text = to_text(seen, at(0), 0);
  CHECK(value_of(text, name("vllm:generation_tokens_total")) == 3);
  CHECK(value_of(text, name("vllm:prompt_tokens_total")) == 20);
  CHECK(value_of(text, name("vllm:prompt_tokens_by_source_total", "source=\"local_compute\"")) ==
        4);
  CHECK(value_of(text, name("vllm:prompt_tokens_cached_total")) == 16);
  CHECK(value_of(text, name("vllm:time_to_first_token_seconds_sum")) == doctest::Approx(1.5));
  CHECK(value_of(text, name("vllm:inter_token_latency_seconds_sum")) == doctest::Approx(0.75));
  CHECK(value_of(text, name("vllm:iteration_tokens_total_sum")) == 22);
}

TEST_CASE("guesses are counted with the step that came back") {
  auto seen = make_tally();
  seen.count(step_observed{.drafts = {2, 9, 5}});
  seen.count(step_observed{.drafts = {1, 3, 0}});
  auto text = to_text(seen, at(0), 0);
  CHECK(value_of(text, name("vllm:spec_decode_num_drafts_total")) == 3);
  CHECK(value_of(text, name("vllm:spec_decode_num_draft_tokens_total")) == 12);
  CHECK(value_of(text, name("vllm:spec_decode_num_accepted_tokens_total")) == 5);
}

TEST_CASE("the load is the largest of pages, sequences and pending work") {
  auto seen = make_tally();
  CHECK(seen.load() == 0);
  seen.count(pages_observed{.num_used = 51, .num_pages = 100});
  CHECK(seen.load() == doctest::Approx(0.6));
  seen.count(step_observed{.num_running = 6});
  CHECK(seen.load() == doctest::Approx(0.75));
  seen.count(step_observed{.prefill_tokens = 10, .seconds = 0.1});  // 10 ms a token
  seen.count(queue_observed{.num_waiting = 2, .waiting_tokens = 90});
  CHECK(seen.load() == doctest::Approx(0.9));
}

TEST_CASE("the age of the queue grows while nobody reports") {
  auto seen = make_tally();
  CHECK(value_of(to_text(seen, at(9), 0), name("troupe_queue_oldest_seconds")) == 0);
  seen.count(queue_observed{.num_waiting = 1, .oldest = at(5)});
  seen.count(step_observed{.num_waiting = 1, .oldest = at(2)});
  CHECK(value_of(to_text(seen, at(9), 0), name("troupe_queue_oldest_seconds")) == 7);
}

TEST_CASE("every family is announced once and no sample comes twice") {
  auto seen = make_tally();
  seen.count(http_observed{"/generate", "POST", 200, 0.1});
  seen.count(http_observed{"/generate", "POST", 400, 0.1});
  seen.count(http_observed{"/generate", "GET", 405, 0.1});
  seen.count(replica_observed{.parts = {{.actor = "executor", .rank = 0},
                                        {.actor = "executor", .rank = 1},
                                        {.actor = "batcher"}}});
  std::istringstream lines(to_text(seen, at(0), 0));
  std::set<std::string> keys;
  for (std::string line; std::getline(lines, line);) {
    auto key =
        line.starts_with('#') ? line.substr(0, line.find(' ', 7)) : line.substr(0, line.rfind(' '));
    CHECK_MESSAGE(keys.insert(key).second, key);
  }
  CHECK(keys.contains("http_requests_total{handler=\"/generate\",method=\"POST\",status=\"400\"}"));
}

TEST_CASE("changes of the front add up in any order") {
  auto seen = make_tally();
  seen.count(front_observed{.connections = -1});
  seen.count(front_observed{.connections = 1, .streams = 1});
  seen.count(front_observed{.connections = 1, .websockets = 1});
  auto text = to_text(seen, at(0), 0);
  CHECK(value_of(text, "troupe_http_connections") == 1);
  CHECK(value_of(text, "troupe_http_streams") == 1);
  CHECK(value_of(text, "troupe_websocket_connections") == 1);
}

TEST_CASE("what a running answer has generated is counted before its end") {
  stage s(small_limits(64));
  auto ears = std::make_shared<heard>();
  s.post(make(1, 20, 400), ears);
  while (ears->tokens.size() < 50) s.director().run_once();
  auto answer = s.self->request(s.observer, caf::infinite, render{});
  for (int i = 0; i < 100; ++i) s.director().run_once();
  std::string text;
  answer.receive([&](std::string& t) { text = std::move(t); }, [](const caf::error&) {});
  auto num_tokens =
      value_of(text, "vllm:generation_tokens_total{model_name=\"test\",engine=\"0\"}");
  CHECK(num_tokens >= 40);
  CHECK(num_tokens < 400);
  s.play();
  CHECK(ears->tokens.size() == 400);
  CHECK(s.metric("vllm:generation_tokens_total") == 400);
  CHECK(s.metric("vllm:inter_token_latency_seconds_count") == 399);
  CHECK(s.metric("vllm:time_to_first_token_seconds_count") == 1);
  CHECK(s.metric("troupe_pending_prompt_tokens") == 0);
}

TEST_CASE("preemption loses no token of the counts and makes no time negative") {
  stage s(small_limits(8));
  std::vector<std::shared_ptr<heard>> all;
  for (std::uint64_t i = 1; i <= 4; ++i) {
    all.push_back(std::make_shared<heard>());
    s.post(make(i, 20, 80), all.back());
  }
  s.play();
  double num_tokens = 0;
  for (auto& ears : all) num_tokens += static_cast<double>(ears->tokens.size());
  CHECK(num_tokens == 320);
  CHECK(s.metric("vllm:num_preemptions_total") > 0);
  CHECK(s.metric("vllm:generation_tokens_total") == num_tokens);
  CHECK(s.metric("vllm:prompt_tokens_total") == 80);
  CHECK(s.metric("vllm:request_prefill_time_seconds_sum") >= 0);
  CHECK(s.metric("vllm:request_decode_time_seconds_sum") >= 0);
}

TEST_CASE("refusals are counted by their reason") {
  auto limits = small_limits(64);
  limits.max_waiting_requests = 1;
  stage s(limits);
  s.send(make(1, 600, 10));
  REQUIRE(s.refusals.size() == 1);
  auto refused = [&](const std::string& why) {
    return value_of(s.metrics(),
                    "troupe_requests_refused_total{model_name=\"test\",engine=\"0\","
                    "reason=\"" +
                        why + "\"}");
  };
  CHECK(refused("prompt_too_long") == 1);
  s.self->send(s.queue, drain{.why = {.code = error_code::shutting_down}});
  s.send(make(2, 10, 10));
  CHECK(refused("draining") == 1);
  CHECK(refused("queue_full") == 0);
}

TEST_CASE("a heartbeat tells what waits in the mailbox behind it") {
  stage s(small_limits(64));
  auto first = s.self->request(s.queue, caf::infinite, beat{});
  for (int i = 0; i < 3; ++i) s.self->send(s.queue, cancel{{99}});
  s.play();
  std::size_t depth = 0;
  first.receive([&](const heartbeat& h) { depth = h.num_messages; }, [](const caf::error&) {});
  CHECK(depth == 3);
}

TEST_CASE("silence and rest are told from each other") {
  std::vector<part_report> parts{
      {.actor = "queue", .has_answered = true, .last_beat = at(100)},
      {.actor = "batcher", .has_answered = true, .last_beat = at(100), .last = {.since = at(20)}},
      {.actor = "executor", .rank = 0, .has_answered = true, .last_beat = at(100)}};
  auto troubles = [&](double now) {
    find_troubles(parts, at(now), 10s);
    return describe_troubles(parts);
  };
  CHECK(troubles(100).empty());  // nothing to do for 80 s
  CHECK(troubles(106).find("queue has not answered for 6.0 s") == 0);
  CHECK(troubles(112).find("executor 0 has not answered for 12.0 s") != std::string::npos);
  parts[0].last = {.num_requests = 2, .since = at(95)};
  CHECK(troubles(101).empty());
  parts[0].last.since = at(85);
  CHECK(troubles(101) == "batcher leaves 2 requests waiting, the oldest for 16.0 s");
  parts[1].last.num_requests = 3;
  CHECK(troubles(101) == "batcher has 3 requests, and no step has ended for 81.0 s");
  parts[1].last.since = at(99);
  CHECK(troubles(101).empty());
}

TEST_CASE("the oldest request is found among all priorities") {
  auto limits = small_limits(64);
  stage s(limits);
  auto queue = spawn_request_queue(s.system, limits, s.observer);  // nobody takes from it
  auto reader = s.system.spawn<reader_actor>(std::make_shared<heard>());
  auto submit_one = [&](std::uint64_t id, std::int32_t priority) {
    auto request = make(id, 10, 10);
    request.priority = priority;
    request.deadline = s.director().clock().now() + 1h;
    s.self->send(queue, submit{std::move(request), reader});
    s.play();
  };
  submit_one(1, 0);
  s.advance(5s);
  submit_one(2, -1);
  submit_one(3, 0);
  s.advance(2s);
  CHECK(s.metric("troupe_queue_requests") == 3);
  CHECK(s.metric("troupe_queue_oldest_seconds") == doctest::Approx(7));
  s.self->send_exit(queue, caf::exit_reason::kill);
  s.self->send_exit(reader, caf::exit_reason::kill);
  s.play();
}
