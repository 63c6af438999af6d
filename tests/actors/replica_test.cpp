// A replica on real threads: restarts, heartbeats, giving up.
#include "rule_constraint.hpp"
#include "stage.hpp"

#include <doctest/doctest.h>

#include <thread>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

struct failing_plan {
  std::atomic<int> num_made{0};
  std::atomic<int> num_to_fail{0};  // runners that fail at their third step
  std::atomic<bool> hang{false};    // runners that never come back until aborted
};

class scripted_runner : public fake_runner {
 public:
  scripted_runner(std::uint32_t num_pages, failing_plan& plan)
      : fake_runner(num_pages), plan_(plan) {
    if (plan.num_made++ < plan.num_to_fail) num_until_failure = 3;
  }
  void compute(const step_batch& batch) override {
    if (plan_.hang.exchange(false))
      while (!was_aborted) std::this_thread::sleep_for(1ms);
    fake_runner::compute(batch);
  }

 private:
  failing_plan& plan_;
};

struct engine {
  explicit engine(int num_to_fail, std::chrono::milliseconds executor_timeout = 10s) {
    plan.num_to_fail = num_to_fail;
    replica_options options;
    options.limits.num_pages = 64;
    options.limits.max_num_seqs = 4;
    options.limits.eos_token_ids = {13};
    options.limits.vocab_size = fake_vocab_size;
    options.executor_timeout = executor_timeout;
    queue = spawn_request_queue(system, options.limits, observer);
    copy = spawn_replica(system, options, queue, observer, [this] {
      std::vector<std::unique_ptr<runner>> ranks;
      ranks.push_back(std::make_unique<scripted_runner>(64, plan));
      return ranks;
    });
  }
  ~engine() {
    for (auto& part : {caf::actor_cast<caf::actor>(copy), caf::actor_cast<caf::actor>(queue),
                       caf::actor_cast<caf::actor>(observer)})
      self->send_exit(part, caf::exit_reason::user_shutdown);
  }
  replica_status status() {
    replica_status now;
    self->request(copy, 5s, ask_status{})
        .receive([&](const replica_status& s) { now = s; },
                 [](const caf::error&) { FAIL("no status"); });
    return now;
  }
  // The answer of one request, or its failure.
  finished run(std::uint64_t id, token_constraint_ptr constraint = nullptr) {
    generation_request r{.id = {id}, .prompt = {1, 2, 3}, .constraint = std::move(constraint)};
    r.deadline = std::chrono::steady_clock::now() + 20s;
    finished end;
    auto reader = self->spawn([this](token_sink::pointer) -> token_sink::behavior_type {
      auto main = caf::actor_cast<caf::actor>(self);
      return {[](const tokens_ready&) {}, [main](const finished& f) { caf::anon_send(main, f); }};
    });
    self->send(queue, submit{r, reader});
    self->receive([&](const finished& f) { end = f; }, caf::after(10s) >> [] { FAIL("silence"); });
    self->send_exit(reader, caf::exit_reason::user_shutdown);
    return end;
  }
  bool becomes(bool ready, std::chrono::seconds within = 5s) {
    auto until = std::chrono::steady_clock::now() + within;
    while (status().ready != ready) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::sleep_for(5ms);
    }
    return true;
  }

  caf::actor_system_config config = make_config(caf::atom("sharing"));
  caf::actor_system system{config};
  caf::scoped_actor self{system};
  failing_plan plan;
  meter observer = spawn_meter(system, "test");
  request_queue queue;
  replica copy;
};

}  // namespace

TEST_CASE("what an executor had when it failed is tried again") {
  engine e(1);
  REQUIRE(e.becomes(true));
  CHECK(e.run(1).why == finish_reason::length);
  CHECK(e.status().num_restarts == 1);
}

TEST_CASE("a request that fails three times ends with the reason, and the replica comes back") {
  engine e(3);
  REQUIRE(e.becomes(true));
  auto first = e.run(1);
  CHECK(first.why == finish_reason::failed);
  CHECK(first.error.message == "executor 0 failed: injected failure");
  REQUIRE(e.becomes(true));
  CHECK(e.run(2).why == finish_reason::length);
  CHECK(e.status().num_restarts == 3);
}

TEST_CASE("constraints bind answers before and after a restart") {
  engine e(1);
  REQUIRE(e.becomes(true));
  CHECK(e.run(1, follow_the_sum(13)).why == finish_reason::length);
  REQUIRE(e.becomes(true));
  auto whole = e.run(2, spell({5, 6, 7}, 13));
  CHECK(whole.why == finish_reason::stop);
  CHECK(whole.usage.completion_tokens == 4);
  auto broken = e.run(3, break_after(2));
  CHECK(broken.why == finish_reason::failed);
  CHECK(broken.error.message ==
        "the answer's constraint failed after 2 tokens: the grammar is broken");
  CHECK(e.run(4).why == finish_reason::length);
  CHECK(e.status().num_restarts == 1);
}

TEST_CASE("a hanging executor counts as failed, its requests are tried again") {
  engine e(0, 300ms);
  REQUIRE(e.becomes(true));
  e.plan.hang = true;
  CHECK(e.run(1).why == finish_reason::length);
  CHECK(e.run(2).why == finish_reason::length);
  CHECK(e.plan.num_made == 2);
}

TEST_CASE("a replica that fails again and again gives up and closes the queue") {
  engine e(100);
  REQUIRE(e.becomes(true));
  finished last;
  for (std::uint64_t i = 1; i <= 2; ++i) last = e.run(i);  // three tries, then one
  CHECK(last.why == finish_reason::failed);
  REQUIRE(e.becomes(false));
  CHECK(e.status().reason.find("gave up") != std::string::npos);
  bool is_refused = false;
  for (int i = 0; i < 100 && !is_refused; ++i) {
    auto reader = e.system.spawn<reader_actor>(std::make_shared<heard>());
    e.self->request(e.queue, 1s, submit{{.id = {9}, .prompt = {1}}, reader})
        .receive([](const accepted&) {},
                 [&](const caf::error& why) {
                   is_refused = to_failure(why).message.find("gave up") != std::string::npos;
                 });
    e.self->send_exit(reader, caf::exit_reason::user_shutdown);
    std::this_thread::sleep_for(5ms);
  }
  CHECK(is_refused);
}
