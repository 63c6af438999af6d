// The engine's promises, with real actors on a deterministic stage.
#include "rule_constraint.hpp"
#include "stage.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

engine_limits limits_of(std::uint32_t num_pages, std::uint32_t num_seqs = 8,
                        std::uint32_t num_rows = 64) {
  engine_limits limits;
  limits.num_pages = num_pages;
  limits.max_num_seqs = num_seqs;
  limits.max_num_batched_tokens = num_rows;
  limits.max_model_len = 2048;
  limits.eos_token_ids = {13};
  limits.vocab_size = fake_vocab_size;
  return limits;
}

generation_request make(std::uint64_t id, std::uint32_t num_prompt, std::uint32_t max_tokens,
                        std::uint32_t num_shared = 0) {
  generation_request r{.id = {id}};
  for (std::uint32_t i = 0; i < num_prompt; ++i)
    r.prompt.push_back(token_id(i < num_shared ? i : id * 1000 + i));
  r.sampling.max_tokens = max_tokens;
  r.sampling.seed = id % 3;
  return r;
}

// All pages are back, nobody runs, nobody waits.
void check_quiet(stage& s) {
  CHECK(s.metric("troupe_kv_pages_used") == 0);
  CHECK(s.num_constraints() == 0);
  CHECK(s.metric("vllm:num_requests_running") == 0);
  CHECK(s.metric("vllm:num_requests_waiting") == 0);
}

}  // namespace

TEST_CASE("one request: its tokens, then one ending") {
  stage s(limits_of(64));
  auto request = make(1, 20, 10);
  auto ears = s.send(request);
  CHECK(ears->tokens == expected_answer(request, 13));
  REQUIRE(ears->endings.size() == 1);
  CHECK(ears->endings[0].usage.prompt_tokens == 20);
  CHECK(ears->endings[0].usage.completion_tokens == ears->tokens.size());
  check_quiet(s);
}

TEST_CASE("scheduling never changes an answer") {
  // Pool sizes from "one request at a time" to "everything fits", every chunk size, cache on, off.
  std::uint64_t num_preemptions = 0, num_hits = 0;
  for (std::uint32_t num_pages : {14U, 24U, 400U})
    for (std::uint32_t num_rows : {8U, 16U, 64U, 512U})
      for (bool cache : {false, true}) {
        auto limits = limits_of(num_pages, 8, num_rows);
        limits.enable_prefix_caching = cache;
        stage s(limits);
        std::vector<generation_request> requests;
        std::vector<std::shared_ptr<heard>> answers;
        for (std::uint64_t i = 1; i <= 24; ++i) {
          requests.push_back(make(i, 5 + std::uint32_t(i * 7 % 60), 20 + std::uint32_t(i * 11 % 90),
                                  i % 2 ? 40 : 0));
          if (i % 3 == 0) requests.back().constraint = follow_the_sum(13);
          answers.push_back(std::make_shared<heard>());
          s.post(requests.back(), answers.back());
        }
        s.play();
        CAPTURE(num_pages);
        CAPTURE(num_rows);
        CAPTURE(cache);
        for (std::size_t i = 0; i < requests.size(); ++i) {
          if (answers[i]->endings.size() != 1) MESSAGE(s.metrics());
          REQUIRE(answers[i]->endings.size() == 1);
          CHECK(answers[i]->endings[0].error.message == "");
          CHECK(answers[i]->tokens == expected_answer(requests[i], 13));
        }
        check_quiet(s);
        num_preemptions += std::uint64_t(s.metric("vllm:num_preemptions_total"));
        num_hits += std::uint64_t(s.metric("vllm:prefix_cache_hits_total"));
      }
  CHECK(num_preemptions > 0);
  CHECK(num_hits > 0);
}

TEST_CASE("a cancel finds its request where it runs, and the pages come back") {
  stage s(limits_of(64));
  auto ears = std::make_shared<heard>();
  auto request = make(1, 20, 400);
  request.sampling.ignore_eos = true;
  s.post(request, ears);
  while (ears->tokens.size() < 5) REQUIRE(s.director().try_run_once());
  auto num_steps = s.device().num_steps.load();
  s.self->send(s.queue, cancel{{1}});
  s.play();
  REQUIRE(ears->endings.size() == 1);
  CHECK(ears->endings[0].why == finish_reason::cancelled);
  // Of 400 steps only those that ran while the message was under way.
  CHECK(s.device().num_steps < num_steps + 50);
  check_quiet(s);
}

TEST_CASE("a full queue refuses at once, by count and by tokens, and says when to come back") {
  auto limits = limits_of(400, 1);
  limits.max_waiting_requests = 3;
  limits.max_waiting_tokens = 100;
  stage s(limits);
  for (std::uint64_t i = 1; i <= 8; ++i) s.post(make(i, 10, 100), std::make_shared<heard>());
  // Nothing has run yet: three wait, the others are refused.
  auto answer = s.self->request(
      s.queue, caf::infinite,
      submit{make(9, 10, 5), s.system.spawn<reader_actor>(std::make_shared<heard>())});
  while (s.director().try_run_once()) {
  }
  answer.receive([](const accepted&) {},
                 [&](const caf::error& e) { s.refusals.push_back(to_failure(e)); });
  for (auto& r : s.refusals) {
    CHECK(r.code == error_code::queue_full);
    CHECK(r.retry_after >= 1s);
  }
  CHECK(s.metric("troupe_requests_refused_total") > 0);
  check_quiet(s);
}

TEST_CASE("a request that can never fit is refused with its numbers") {
  stage s(limits_of(4));
  auto ears = s.send(make(1, 60, 10));
  REQUIRE(s.refusals.size() == 1);
  CHECK(s.refusals[0].code == error_code::invalid_argument);
  CHECK(s.refusals[0].message.find("5 KV pages") != std::string::npos);
  CHECK(ears->endings.empty());
}

TEST_CASE("urgent requests run first") {
  auto limits = limits_of(400, 1);
  stage s(limits);
  auto slow = make(1, 10, 50);
  auto calm = make(2, 10, 5);
  auto urgent = make(3, 10, 5);
  urgent.priority = -1;
  std::vector<int> order;
  for (auto* r : {&slow, &calm, &urgent}) s.post(*r, std::make_shared<heard>());
  auto a = std::make_shared<heard>(), b = std::make_shared<heard>();
  calm.id = {4};
  urgent.id = {5};
  s.post(calm, a);
  s.post(urgent, b);
  while (b->endings.empty() && s.director().try_run_once()) {
  }
  CHECK(a->endings.empty());
  s.play();
  CHECK(a->endings.size() == 1);
}

TEST_CASE("drain refuses what is new and finishes what was accepted") {
  stage s(limits_of(64));
  auto ears = std::make_shared<heard>();
  s.post(make(1, 20, 30), ears);
  s.director().run_once();
  s.self->send(s.queue, drain{{error_code::shutting_down, "the server is shutting down", "", 5s}});
  s.send(make(2, 20, 30));
  REQUIRE(s.refusals.size() == 1);
  CHECK(s.refusals[0].code == error_code::shutting_down);
  REQUIRE(ears->endings.size() == 1);
  CHECK(ears->endings[0].why != finish_reason::failed);
}

// The device fails whenever it computes one request's tokens.
TEST_CASE("a poisoned request ends with the reason, all others with their own text") {
  constexpr token_id poison = 4242;
  for (std::uint64_t poisoned : {1, 4, 8}) {
    CAPTURE(poisoned);
    stage s(limits_of(64));
    s.device().poison = poison;
    std::vector<generation_request> requests;
    std::vector<std::shared_ptr<heard>> answers;
    for (std::uint64_t i = 1; i <= 8; ++i) {
      requests.push_back(make(i, 20, 30));
      if (i == poisoned) requests.back().prompt[11] = poison;
      if (i % 3 == 0) requests.back().constraint = follow_the_sum(13);
      answers.push_back(std::make_shared<heard>());
      s.post(requests.back(), answers.back());
    }
    s.play();
    int num_restarts = 0;
    for (; s.device().has_failed && num_restarts < 10; ++num_restarts) {
      s.restart();
      s.device().poison = poison;
      s.play();
    }
    CHECK(num_restarts == 2);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      REQUIRE(answers[i]->endings.size() == 1);
      bool is_guilty = i + 1 == poisoned;
      CHECK((answers[i]->endings[0].why == finish_reason::failed) == is_guilty);
      if (is_guilty)
        CHECK(answers[i]->endings[0].error.message == "injected failure");
      else
        CHECK(answers[i]->tokens == expected_answer(requests[i], 13));
    }
    check_quiet(s);
  }
}

TEST_CASE("who leaves while his request goes back to the queue is not forgotten") {
  stage s(limits_of(64));
  auto ears = std::make_shared<heard>();
  s.device().num_until_failure = 5;
  s.post(make(1, 20, 30), ears);
  while (!s.device().has_failed) REQUIRE(s.director().try_run_once());
  // The queue hears of it before the batcher hears of the failure.
  s.self->send(s.queue, cancel{{1}});
  s.play();
  REQUIRE(ears->endings.size() == 1);
  CHECK(ears->endings[0].why == finish_reason::cancelled);
}

TEST_CASE("a queue that ends what waits ends what comes back, too") {
  stage s(limits_of(64));
  auto ears = std::make_shared<heard>();
  s.device().num_until_failure = 5;
  s.post(make(1, 20, 30), ears);
  s.self->send(s.queue, drain{{error_code::engine_failed, "gave up", "", 5s}, true});
  s.play();
  REQUIRE(ears->endings.size() == 1);
  CHECK(ears->endings[0].error.message == "gave up");
}

TEST_CASE("a drain is undone, but not the last one") {
  stage s(limits_of(64));
  s.self->send(s.queue, drain{{error_code::unavailable, "no replica"}});
  s.send(make(1, 20, 5));
  s.self->send(s.queue, reopen{});
  s.send(make(2, 20, 5));
  REQUIRE(s.refusals.size() == 1);
  CHECK(s.refusals[0].code == error_code::unavailable);
  s.self->send(s.queue, drain{{error_code::shutting_down, "the server is shutting down"}});
  s.self->send(s.queue, drain{{error_code::unavailable, "no replica"}});
  s.self->send(s.queue, reopen{});
  s.send(make(3, 20, 5));
  REQUIRE(s.refusals.size() == 2);
  CHECK(s.refusals[1].code == error_code::shutting_down);
}

TEST_CASE("a device failure gives every request back to the queue") {
  stage s(limits_of(64));
  s.device().num_until_failure = 5;
  std::vector<std::shared_ptr<heard>> answers;
  for (std::uint64_t i = 1; i <= 4; ++i) {
    answers.push_back(std::make_shared<heard>());
    s.post(make(i, 20, 30), answers.back());
  }
  for (int i = 0; i < 400; ++i) s.director().try_run_once();
  for (auto& a : answers) CHECK(a->endings.empty());
  heartbeat queue;
  s.self->request(s.queue, caf::infinite, beat{});
  s.self->receive([&](const heartbeat& h) { queue = h; }, caf::after(1s) >> [] {});
  // Nobody takes them here.
  s.self->send_exit(s.queue, caf::exit_reason::kill);
  s.play();
  for (auto& a : answers) {
    REQUIRE(a->endings.size() == 1);
    CHECK(a->endings[0].why == finish_reason::failed);
  }
}

TEST_CASE("a batcher or a queue that dies leaves nobody waiting") {
  stage s(limits_of(64, 1));
  auto running = std::make_shared<heard>(), waiting = std::make_shared<heard>();
  s.post(make(1, 20, 300), running);
  s.post(make(2, 20, 300), waiting);
  for (int i = 0; i < 40; ++i) s.director().try_run_once();
  s.self->send_exit(s.batch, caf::exit_reason::kill);
  s.self->send_exit(s.queue, caf::exit_reason::kill);
  s.play();
  for (auto& a : {running, waiting}) {
    REQUIRE(a->endings.size() == 1);
    CHECK(a->endings[0].why == finish_reason::failed);
  }
}
