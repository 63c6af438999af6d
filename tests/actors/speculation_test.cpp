// Guesses change how fast tokens come, and nothing else: real actors, a device that really copies.
#include "rule_constraint.hpp"
#include "stage.hpp"

#include <doctest/doctest.h>

#include <random>

using namespace troupe;
using namespace troupe::test;

namespace {

constexpr token_id eos = 13;

engine_limits limits_of(std::uint32_t num_pages, std::uint32_t num_drafts,
                        std::uint32_t num_rows = 64) {
  engine_limits limits;
  limits.num_pages = num_pages;
  limits.max_num_seqs = 8;
  limits.max_num_batched_tokens = num_rows;
  limits.max_model_len = 2048;
  limits.eos_token_ids = {eos};
  limits.vocab_size = fake_vocab_size;
  limits.num_speculative_tokens = num_drafts;
  limits.max_speculative_rows = 24;
  return limits;
}

// An answer that repeats itself, but for every `each`-th token or so; 0: always.
generation_request make(std::uint64_t id, std::uint32_t num_prompt, std::uint32_t max_tokens,
                        std::uint64_t each) {
  generation_request r{.id = {id}};
  for (std::uint32_t i = 0; i < num_prompt; ++i)
    r.prompt.push_back(static_cast<token_id>((id * 31 + i * 17) % 97 + 20));
  r.sampling.max_tokens = max_tokens;
  r.sampling.seed = copying_seed + each;
  return r;
}

struct draft_metrics {
  double drafts, tokens, accepted;
};

draft_metrics read_drafts(stage& s) {
  return {s.metric("vllm:spec_decode_num_drafts_total"),
          s.metric("vllm:spec_decode_num_draft_tokens_total"),
          s.metric("vllm:spec_decode_num_accepted_tokens_total")};
}

void check_quiet(stage& s) {
  CHECK(s.metric("troupe_kv_pages_used") == 0);
  CHECK(s.num_constraints() == 0);
  CHECK(s.metric("vllm:num_requests_running") == 0);
}

}  // namespace

TEST_CASE("an answer that repeats itself takes a fraction of the steps") {
  const auto request = make(1, 20, 200, 0);
  stage plain(limits_of(64, 0));
  CHECK(plain.send(request)->tokens == expected_answer(request, eos));
  CHECK(read_drafts(plain).drafts == 0);
  stage s(limits_of(64, 7));
  const auto ears = s.send(request);
  CHECK(ears->tokens == expected_answer(request, eos));
  REQUIRE(ears->endings.size() == 1);
  CHECK(ears->endings[0].why == finish_reason::length);
  CHECK(ears->endings[0].usage.completion_tokens == 200);
  CHECK(s.device().num_steps * 5 < plain.device().num_steps);
  CHECK(s.metric("vllm:generation_tokens_total") == 200);
  const auto drafts = read_drafts(s);
  CHECK(drafts.accepted == drafts.tokens);
  CHECK(drafts.accepted > 160);
  check_quiet(s);
}

TEST_CASE("an answer that repeats nothing has no drafts") {
  stage s(limits_of(64, 7));
  auto request = make(1, 20, 200, 0);
  request.sampling.seed = 1;
  CHECK(s.send(request)->tokens == expected_answer(request, eos));
  CHECK(read_drafts(s).tokens < 10);
}

TEST_CASE("guesses change no answer, under any schedule") {
  double num_preemptions = 0, num_accepted = 0, num_wrong = 0, num_hits = 0;
  for (std::uint32_t num_pages : {14U, 24U, 400U})
    for (std::uint32_t num_rows : {8U, 16U, 512U})
      for (std::uint32_t num_drafts : {1U, 4U, 20U}) {
        stage s(limits_of(num_pages, num_drafts, num_rows));
        std::vector<generation_request> requests;
        std::vector<std::shared_ptr<heard>> answers;
        for (std::uint64_t i = 1; i <= 24; ++i) {
          requests.push_back(make(i % 5, 5 + std::uint32_t(i * 7 % 60),
                                  20 + std::uint32_t(i * 11 % 90), i % 4 * 6));
          requests.back().id = {i};
          if (i % 8 == 0) requests.back().sampling.seed = i;
          if (i % 6 == 0) requests.back().constraint = follow_the_sum(eos);
          answers.push_back(std::make_shared<heard>());
          s.post(requests.back(), answers.back());
        }
        s.play();
        CAPTURE(num_pages);
        CAPTURE(num_rows);
        CAPTURE(num_drafts);
        for (std::size_t i = 0; i < requests.size(); ++i) {
          CAPTURE(i);
          REQUIRE(answers[i]->endings.size() == 1);
          CHECK(answers[i]->endings[0].error.message == "");
          CHECK(answers[i]->tokens == expected_answer(requests[i], eos));
        }
        check_quiet(s);
        const auto drafts = read_drafts(s);
        num_accepted += drafts.accepted;
        num_wrong += drafts.tokens - drafts.accepted;
        num_preemptions += s.metric("vllm:num_preemptions_total");
        num_hits += s.metric("vllm:prefix_cache_hits_total");
      }
  CHECK(num_accepted > 1000);
  CHECK(num_wrong > 100);
  CHECK(num_preemptions > 0);
  CHECK(num_hits > 0);
}

TEST_CASE("an answer ends within a run of guesses where it ends without them") {
  for (std::uint32_t max_tokens = 1; max_tokens < 40; ++max_tokens) {
    stage s(limits_of(64, 7));
    auto request = make(1, 20, max_tokens, 0);
    // A token of the loop ends it, once enough others have come.
    if (max_tokens % 2) {
      request.sampling.stop_token_ids = {request.prompt[15]};
      request.sampling.min_tokens = max_tokens / 2;
    }
    auto expected = expected_answer(request, eos);
    for (std::size_t i = 0; i < expected.size(); ++i)
      if (max_tokens % 2 && i + 1 >= request.sampling.min_tokens &&
          expected[i] == request.prompt[15])
        expected.resize(i + 1);
    const auto ears = s.send(request);
    CHECK(ears->tokens == expected);
    REQUIRE(ears->endings.size() == 1);
    CHECK(ears->endings[0].usage.completion_tokens == expected.size());
    check_quiet(s);
  }
}

TEST_CASE("nobody gives way for guesses: what runs without preemption runs so with them") {
  auto requests = std::vector{make(1, 30, 100, 0), make(2, 41, 90, 9), make(3, 20, 110, 5)};
  // To the page what they need at their ends.
  std::uint32_t num_pages = 0;
  for (auto& r : requests) num_pages += pages_for(r.prompt.size() + r.sampling.max_tokens - 1);
  stage s(limits_of(num_pages, 20));
  std::vector<std::shared_ptr<heard>> answers;
  for (auto& r : requests) {
    answers.push_back(std::make_shared<heard>());
    s.post(r, answers.back());
  }
  s.play();
  for (std::size_t i = 0; i < requests.size(); ++i)
    CHECK(answers[i]->tokens == expected_answer(requests[i], eos));
  CHECK(s.metric("vllm:num_preemptions_total") == 0);
  CHECK(read_drafts(s).accepted > 50);
  check_quiet(s);
}

TEST_CASE("a cancel between two runs of guesses: the pages come back") {
  stage s(limits_of(64, 7));
  auto ears = std::make_shared<heard>();
  const auto request = make(1, 20, 400, 0);
  s.post(request, ears);
  while (ears->tokens.size() < 30) REQUIRE(s.director().try_run_once());
  s.self->send(s.queue, cancel{{1}});
  s.play();
  REQUIRE(ears->endings.size() == 1);
  CHECK(ears->endings[0].why == finish_reason::cancelled);
  const auto expected = expected_answer(request, eos);
  CHECK(std::equal(ears->tokens.begin(), ears->tokens.end(), expected.begin()));
  CHECK(ears->tokens.size() < 200);
  check_quiet(s);
}

TEST_CASE("random arrivals and cancels among guesses: every request ends once, with its answer") {
  for (unsigned seed = 1; seed <= 30; ++seed) {
    std::mt19937 random(seed);
    auto below = [&](unsigned n) { return unsigned(random() % n); };
    auto limits = limits_of(12 + below(30), 1 + below(12), 8 + below(40));
    limits.max_num_seqs = 1 + below(8);
    stage s(limits);
    std::vector<generation_request> requests;
    std::vector<std::shared_ptr<heard>> answers;
    for (std::uint64_t i = 1; i <= 60; ++i) {
      requests.push_back(make(below(4), 1 + below(50), 1 + below(60), below(12)));
      requests.back().id = {i};
      requests.back().priority = int(below(3));
      if (below(6) == 0) requests.back().constraint = follow_the_sum(eos);
      answers.push_back(std::make_shared<heard>());
      s.post(requests.back(), answers.back());
      for (auto n = below(20); n > 0; --n) s.director().try_run_once();
      if (below(4) == 0) s.self->send(s.queue, cancel{{1 + below(unsigned(i))}});
    }
    s.play();
    for (std::size_t i = 0; i < requests.size(); ++i) {
      REQUIRE(answers[i]->endings.size() == 1);
      const auto expected = expected_answer(requests[i], eos);
      const auto& got = answers[i]->tokens;
      REQUIRE(got.size() <= expected.size());
      if (answers[i]->endings[0].why != finish_reason::cancelled)
        CHECK(got == expected);
      else
        CHECK(std::equal(got.begin(), got.end(), expected.begin()));
    }
    check_quiet(s);
    CHECK(s.metric_sum("vllm:request_success_total") == 60);
  }
}
