// Answers under a constraint, with real actors on a deterministic stage.
#include "rule_constraint.hpp"
#include "stage.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

constexpr token_id eos = 13;

engine_limits limits_of(std::uint32_t num_pages) {
  engine_limits limits;
  limits.num_pages = num_pages;
  limits.max_num_seqs = 8;
  limits.max_num_batched_tokens = 64;
  limits.max_model_len = 2048;
  limits.eos_token_ids = {eos};
  limits.vocab_size = fake_vocab_size;
  return limits;
}

generation_request make(std::uint64_t id, std::uint32_t num_prompt, std::uint32_t max_tokens,
                        token_constraint_ptr constraint = nullptr) {
  generation_request r{.id = {id}};
  for (std::uint32_t i = 0; i < num_prompt; ++i) r.prompt.push_back(token_id(id * 1000 + i));
  r.sampling.max_tokens = max_tokens;
  r.sampling.ignore_eos = true;
  r.constraint = std::move(constraint);
  return r;
}

// Any four tokens, and nothing after them: it knows no eos.
class four_tokens : public token_constraint {
 public:
  class place : public constraint_state {
   public:
    std::unique_ptr<constraint_state> clone() const override {
      return std::make_unique<place>(*this);
    }
    bool accept(token_id) override { return num_left_-- > 0; }
    void fill_mask(std::span<std::uint32_t> mask) const override {
      if (num_left_ > 0) std::ranges::fill(mask, ~0U);
    }
    std::vector<token_id> forced_tokens() const override { return {}; }
    bool is_finished() const override { return num_left_ == 0; }

   private:
    int num_left_ = 4;
  };
  std::unique_ptr<constraint_state> start() const override { return std::make_unique<place>(); }
  std::size_t num_bytes() const override { return sizeof(*this); }
};

struct kept_step {
  run_step ask;
  std::optional<step_masks> masks;
};

// Keeps the steps that it is told to run until the test lets them come back.
class patient_executor : public executor::base {
 public:
  patient_executor(caf::actor_config& config, std::shared_ptr<std::vector<kept_step>> steps)
      : executor::base(config), steps_(std::move(steps)) {}
  void on_exit() override { steps_->clear(); }
  behavior_type make_behavior() override {
    return {[this](const run_step& ask) {
              steps_->push_back({ask, {}});
            },
            [this](const step_masks& masks) {
              auto is_its = [&](const kept_step& step) { return step.ask.batch->id == masks.id; };
              std::ranges::find_if(*steps_, is_its)->masks = masks;
            },
            [](const tick&) {}, [](const beat&) { return heartbeat{}; }};
  }

 private:
  std::shared_ptr<std::vector<kept_step>> steps_;
};

// A batcher between a queue and a device that the test plays itself.
struct slow_motion {
  slow_motion() {
    auto limits = limits_of(64);
    observer = spawn_meter(system, "test");
    queue = spawn_request_queue(system, limits, observer);
    auto pages = spawn_page_manager(self.ptr(), limits, observer);
    masks = system.spawn<scheduled_grammarian>(limits, desk);
    auto rank = system.spawn<patient_executor>(steps);
    auto batch = spawn_batcher(self.ptr(), limits, {queue, pages, masks, {rank}, observer});
    parts = {caf::actor_cast<caf::actor>(observer), caf::actor_cast<caf::actor>(queue),
             caf::actor_cast<caf::actor>(pages),    caf::actor_cast<caf::actor>(masks),
             caf::actor_cast<caf::actor>(rank),     caf::actor_cast<caf::actor>(batch)};
  }
  ~slow_motion() {
    for (auto& part : parts) self->send_exit(part, caf::exit_reason::kill);
    play();
  }
  void play() { dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler()).run(); }
  void post(generation_request request) {
    auto reader = system.spawn<reader_actor>(std::make_shared<heard>());
    parts.push_back(caf::actor_cast<caf::actor>(reader));
    request.deadline = steady_time::max();
    self->send(queue, submit{std::move(request), reader});
  }
  void advance(std::chrono::milliseconds time) {
    dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler()).advance_time(time);
    play();
  }
  // The oldest step comes back.
  void finish_step() {
    auto step = steps->front();
    REQUIRE((num_promised_masks(*step.ask.batch) == 0) == !step.masks);
    steps->erase(steps->begin());
    device.compute(*step.ask.batch);
    device.choose(step.masks ? step.masks->masks : std::vector<token_mask_ptr>{});
    self->send(step.ask.listener, step_done{device.finish(), 0.001});
    play();
  }
  // The oldest step has its logits.
  void want_masks() {
    self->send(steps->front().ask.listener, masks_wanted{steps->front().ask.batch->id});
    play();
  }
  int num_used_pages() {
    auto answer = self->request(observer, caf::infinite, render{});
    play();
    std::string text;
    answer.receive([&](std::string& t) { text = std::move(t); }, [](const caf::error&) {});
    auto at = text.find("} ", text.find("\ntroupe_kv_pages_used{"));
    return std::stoi(text.substr(at + 2));
  }
  std::size_t num_in_flight() const { return steps->size(); }
  const step_batch& newest() const { return *steps->back().ask.batch; }

  caf::actor_system_config config = make_config(caf::atom("testing"));
  caf::actor_system system{config};
  caf::scoped_actor self{system};
  std::shared_ptr<grammar_desk> desk = std::make_shared<grammar_desk>();
  std::shared_ptr<std::vector<kept_step>> steps = std::make_shared<std::vector<kept_step>>();
  fake_runner device{64};
  meter observer;
  request_queue queue;
  grammarian masks;
  std::vector<caf::actor> parts;
};

}  // namespace

TEST_CASE("an answer is what its constraint allows, and ends where it must") {
  stage s(limits_of(64));
  auto exact = s.send(make(1, 20, 50, spell({5, 900, 7}, eos)));
  CHECK(exact->tokens == std::vector<token_id>{5, 900, 7, eos});
  REQUIRE(exact->endings.size() == 1);
  CHECK(exact->endings[0].why == finish_reason::stop);  // although ignore_eos is set
  CHECK(exact->endings[0].usage.completion_tokens == 4);

  auto even = make_rule([](auto&, token_id t) { return t % 2 == 0; });
  auto request = make(2, 20, 50, even);
  auto answer = s.send(request);
  CHECK(answer->tokens == expected_answer(request, eos));
  CHECK(std::ranges::all_of(answer->tokens, [](token_id t) { return t % 2 == 0; }));
  REQUIRE(answer->endings.size() == 1);
  CHECK(answer->endings[0].why == finish_reason::length);
  CHECK(answer->tokens.size() == 50);
}

TEST_CASE("a late mask holds its own row only") {
  stage s(limits_of(64));
  auto bound = make(1, 20, 30, follow_the_sum(eos));
  auto free = make(2, 20, 100);
  auto late = std::make_shared<heard>(), timely = std::make_shared<heard>();
  s.make_late({1});
  s.post(bound, late);
  s.post(free, timely);
  s.play();
  CHECK(timely->tokens.empty());  // a moment
  s.advance(10ms);
  CHECK(timely->tokens == expected_answer(free, eos));
  CHECK(timely->endings.size() == 1);
  CHECK(late->tokens.empty());
  CHECK(late->endings.empty());
  s.make_timely({1});
  s.play();
  CHECK(late->tokens == expected_answer(bound, eos));
}

TEST_CASE("two steps stay in flight while a mask is late; with it the row is back") {
  slow_motion m;
  m.desk->late.insert({1});
  m.post(make(1, 20, 30, follow_the_sum(eos)));
  m.post(make(2, 20, 100));
  m.play();
  // The device computes without the mask ...
  REQUIRE(m.num_in_flight() == 1);
  CHECK(m.newest().tokens.size() == 40);
  m.want_masks();
  m.advance(1ms);
  // ... rests for it a moment ...
  CHECK_FALSE(m.steps->front().masks);
  m.advance(10ms);
  // ... and no longer.
  REQUIRE(m.steps->front().masks);
  CHECK(m.num_in_flight() == 2);
  for (int i = 0; i < 5; ++i) {
    m.finish_step();
    CHECK(m.num_in_flight() == 2);
    CHECK(m.newest().chunks.size() == 1);
  }
  m.desk->late.clear();
  m.self->send(m.masks, forget_constraint{});
  m.play();
  CHECK(m.num_in_flight() == 2);
  m.finish_step();
  REQUIRE(m.newest().chunks.size() == 2);
  CHECK(num_promised_masks(m.newest()) == 0);
  CHECK(m.newest().masks.size() == 1);
}

TEST_CASE("a constrained row takes part in every step, two of them in flight") {
  slow_motion m;
  m.post(make(1, 20, 100, follow_the_sum(-1)));
  m.post(make(2, 20, 100));
  m.post(make(3, 20, 100, follow_the_sum(-1)));
  m.play();
  m.finish_step();
  for (int i = 0; i < 10; ++i) {
    REQUIRE(m.num_in_flight() == 2);
    CHECK(m.newest().chunks.size() == 3);
    CHECK(num_promised_masks(m.newest()) == 2);
    CHECK(m.steps->front().masks);
    CHECK_FALSE(m.steps->back().masks);
    m.finish_step();
  }
}

TEST_CASE("masks that come in time end no wait, and a late one is waited for anew") {
  slow_motion m;
  m.post(make(1, 20, 100, follow_the_sum(-1)));
  m.post(make(2, 20, 100));
  m.play();
  m.finish_step();
  // Wanted although they are there: nothing to wait for.
  m.want_masks();
  m.desk->late.insert({1});
  m.finish_step();
  REQUIRE(m.num_in_flight() == 1);
  m.advance(100ms);
  CHECK_FALSE(m.steps->front().masks);  // the device still computes
  m.want_masks();
  m.advance(10ms);
  REQUIRE(m.num_in_flight() == 2);
  CHECK(m.newest().masks.empty());
  m.desk->late.clear();
  m.self->send(m.masks, forget_constraint{});
  m.play();
  m.finish_step();
  for (int i = 0; i < 5; ++i) {
    REQUIRE(m.num_in_flight() == 2);
    CHECK(m.newest().masks.size() == 1);
    m.finish_step();
  }
}

TEST_CASE("the pages of the next step are there before it is planned") {
  slow_motion m;
  m.post(make(1, 15, 100, follow_the_sum(-1)));
  m.play();
  // The prompt and the row of position 15 are in flight; the one of position 16 has its page.
  REQUIRE(m.num_in_flight() == 2);
  CHECK(m.num_used_pages() == 2);
}

TEST_CASE("tokens without a choice take no steps of their own") {
  // Five words of three letters: the first letter is free, the others follow from it.
  auto words = make_rule([](const std::vector<token_id>& so_far, token_id token) {
    auto n = so_far.size();
    if (n == 15) return token == eos;
    return token != eos && (n % 3 == 0 || token == (so_far[n - 1] * 7 + 1) % 980 + 14);
  });
  auto request = make(1, 20, 50, words);
  for (bool may_force : {true, false}) {
    CAPTURE(may_force);
    stage s(limits_of(64));
    s.desk().may_force = may_force;
    auto answer = s.send(request);
    CHECK(answer->tokens == expected_answer(request, eos));
    REQUIRE(answer->endings.size() == 1);
    CHECK(answer->endings[0].why == finish_reason::stop);
    CHECK(answer->endings[0].usage.completion_tokens == 16);
    // In vain are a row of each word, for its token follows from the one before, and the one
    // behind eos.
    CHECK(s.device().num_steps == (may_force ? 10 : 17));
    CHECK(s.metric("troupe_grammar_forced_tokens_total") == (may_force ? 11 : 0));
    CHECK(s.metric("vllm:generation_tokens_total") == 16);
    CHECK(s.num_constraints() == 0);
  }
  // The model's opinion of every token is asked for.
  stage s(limits_of(64));
  auto curious = request;
  curious.sampling.num_logprobs = 0;
  CHECK(s.send(curious)->tokens == expected_answer(request, eos));
  CHECK(s.device().num_steps == 17);
}

TEST_CASE("tokens without a choice count and end as others do") {
  auto end_of = [](generation_request request) {
    stage s(limits_of(64));
    auto answer = s.send(std::move(request));
    REQUIRE(answer->endings.size() == 1);
    auto& end = answer->endings[0];
    CHECK(end.usage.completion_tokens == answer->tokens.size());
    CHECK(s.metric("troupe_kv_pages_used") == 0);
    CHECK(s.num_constraints() == 0);
    return std::pair{answer->tokens, end.why};
  };
  auto rule = spell({5, 900, 7, 8}, eos);
  CHECK(end_of(make(1, 20, 3, rule)) ==
        std::pair{std::vector<token_id>{5, 900, 7}, finish_reason::length});
  auto stopping = make(1, 20, 50, rule);
  stopping.sampling.stop_token_ids = {5, 7};
  stopping.sampling.min_tokens = 2;
  CHECK(end_of(stopping) == std::pair{std::vector<token_id>{5, 900, 7}, finish_reason::stop});
  CHECK(end_of(make(1, 20, 5, rule)) ==
        std::pair{std::vector<token_id>{5, 900, 7, 8, eos}, finish_reason::stop});
}

TEST_CASE("without eos in the vocabulary, the end of the text ends the answer") {
  auto limits = limits_of(64);
  limits.eos_token_ids.clear();
  stage s(limits);
  auto answer = s.send(make(1, 20, 50, std::make_shared<const four_tokens>()));
  CHECK(answer->tokens.size() == 4);
  REQUIRE(answer->endings.size() == 1);
  CHECK(answer->endings[0].why == finish_reason::stop);
  CHECK(answer->endings[0].usage.completion_tokens == 4);
  CHECK(s.metric("troupe_kv_pages_used") == 0);
  CHECK(s.num_constraints() == 0);
}

TEST_CASE("forced tokens, chunks and preemption: the same answers") {
  auto words = make_rule([](const std::vector<token_id>& so_far, token_id token) {
    auto n = so_far.size();
    return token != eos && (n % 20 == 0 || token == (so_far[n - 1] * 7 + 1) % 980 + 14);
  });
  for (std::uint32_t num_rows : {8U, 9U, 64U}) {
    for (bool may_force : {true, false}) {
      CAPTURE(num_rows);
      CAPTURE(may_force);
      auto limits = limits_of(15);
      limits.max_num_batched_tokens = num_rows;
      stage s(limits);
      s.desk().may_force = may_force;
      std::vector<generation_request> requests;
      std::vector<std::shared_ptr<heard>> answers;
      for (std::uint64_t i = 1; i <= 6; ++i) {
        requests.push_back(make(i, 30, 90, i % 3 ? words : nullptr));
        answers.push_back(std::make_shared<heard>());
        s.post(requests.back(), answers.back());
      }
      s.play();
      for (std::size_t i = 0; i < requests.size(); ++i) {
        CHECK(answers[i]->tokens == expected_answer(requests[i], eos));
        REQUIRE(answers[i]->endings.size() == 1);
        CHECK(answers[i]->endings[0].usage.completion_tokens == 90);
      }
      if (num_rows == 64) CHECK(s.metric("vllm:num_preemptions_total") > 0);
      CHECK(s.metric("troupe_kv_pages_used") == 0);
    }
  }
}

TEST_CASE("a constraint that fails ends its request with the reason and no other") {
  stage s(limits_of(64));
  auto nothing = make_rule([](auto& so_far, token_id) { return so_far.size() < 3; });
  // Refuses what its mask allowed.
  auto liar = make_rule([calls = std::make_shared<int>(0)](auto&, token_id) {
    return ++*calls <= int(fake_vocab_size + 24);
  });
  auto broken = std::make_shared<heard>(), empty = std::make_shared<heard>(),
       lying = std::make_shared<heard>(), fine = std::make_shared<heard>();
  auto request = make(4, 20, 30, follow_the_sum(eos));
  s.post(make(1, 20, 30, break_after(4)), broken);
  s.post(make(2, 20, 30, nothing), empty);
  s.post(make(3, 20, 30, liar), lying);
  s.post(request, fine);
  s.play();
  auto check_failed = [](const heard& ears, std::size_t num_tokens, const std::string& why) {
    CHECK(ears.tokens.size() == num_tokens);
    REQUIRE(ears.endings.size() == 1);
    CHECK(ears.endings[0].why == finish_reason::failed);
    CHECK(ears.endings[0].error.code == error_code::constraint_failed);
    CHECK(ears.endings[0].error.message == "the answer's constraint failed after " + why);
  };
  check_failed(*broken, 4, "4 tokens: the grammar is broken");
  check_failed(*empty, 3, "3 tokens: it allows no token");
  check_failed(*lying, 1, "0 tokens: it refuses token " + std::to_string(lying->tokens.at(0)));
  CHECK(s.metric("troupe_grammar_failures_total") == 3);
  CHECK(fine->tokens == expected_answer(request, eos));
  CHECK(s.metric("troupe_kv_pages_used") == 0);
  CHECK(s.num_constraints() == 0);
  CHECK(s.metric("vllm:num_requests_running") == 0);
}

TEST_CASE("a preempted answer goes on where it stood, its mask late or not") {
  for (bool is_late : {false, true}) {
    CAPTURE(is_late);
    stage s(limits_of(14));
    std::vector<generation_request> requests;
    std::vector<std::shared_ptr<heard>> answers;
    for (std::uint64_t i = 1; i <= 6; ++i) {
      // Every other one is free and more urgent, so the others give way.
      requests.push_back(make(i, 30, 90, i % 2 ? follow_the_sum(-1) : nullptr));
      requests.back().priority = int(i % 2);
      answers.push_back(std::make_shared<heard>());
      s.post(requests.back(), answers.back());
    }
    while (answers[0]->tokens.size() < 5) REQUIRE(s.director().try_run_once());
    if (is_late)
      for (auto& r : requests) s.make_late(r.id);
    s.advance(10ms);
    CHECK(s.metric("vllm:num_preemptions_total") > 0);
    for (auto& r : requests) s.make_timely(r.id);
    s.play();
    for (std::size_t i = 0; i < requests.size(); ++i)
      CHECK(answers[i]->tokens == expected_answer(requests[i], eos));
    CHECK(s.metric("troupe_kv_pages_used") == 0);
    CHECK(s.num_constraints() == 0);
  }
}

TEST_CASE("a cancel or a deadline ends a request whose mask is under way") {
  stage s(limits_of(64));
  auto gone = std::make_shared<heard>();
  s.make_late({1});
  s.make_late({2});
  s.post(make(1, 20, 30, follow_the_sum(eos)), gone);
  auto overdue_request = make(2, 20, 30, follow_the_sum(eos));
  overdue_request.deadline = s.director().clock().now() + 5s;
  auto overdue = s.send(overdue_request);
  s.self->send(s.queue, cancel{{1}});
  s.play();
  REQUIRE(gone->endings.size() == 1);
  CHECK(gone->endings[0].why == finish_reason::cancelled);
  CHECK(overdue->endings.empty());
  for (int i = 0; i < 101; ++i) s.advance(50ms);
  REQUIRE(overdue->endings.size() == 1);
  CHECK(overdue->endings[0].why == finish_reason::timed_out);
  CHECK(s.metric("troupe_kv_pages_used") == 0);
  CHECK(s.num_constraints() == 0);
  // The masks come too late, and the ids may be used again.
  s.make_timely({1});
  s.make_timely({2});
  auto again = make(1, 9, 30, spell({4, 5}, eos));
  CHECK(s.send(again)->tokens == std::vector<token_id>{4, 5, eos});
}
