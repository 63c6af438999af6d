// The actor that has grammars compiled, with makers that the test plays itself.
#include "actors/grammar_store.hpp"
#include "rule_constraint.hpp"
#include "stage.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <functional>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

class fake_source : public grammar_source {
 public:
  explicit fake_source(std::string key, std::function<void()> work = {})
      : key_(std::move(key)), work_(std::move(work)) {}
  const std::string& key() const override { return key_; }
  grammar_outcome<bound_grammar> compile() const override {
    if (work_) work_();
    if (key_.starts_with("costly"))
      return refuse_grammar(error_code::timed_out, "", "", "compiling takes too long");
    if (key_.starts_with("bad"))
      return refuse_grammar(error_code::unsupported, "/x", "not", "is not offered");
    return bound_grammar{spell({1, 2}, 3), {{"/y", "title", "says nothing"}}};
  }

 private:
  std::string key_;
  std::function<void()> work_;
};

grammar_source_ptr source(std::string key) { return std::make_shared<fake_source>(std::move(key)); }

// With a message for its own use, by which the test makes it speak.
using steered_maker = grammar_maker::extend<caf::reacts_to<tick>>;

struct kept_work {
  make_grammar ask;
  caf::typed_response_promise<grammar_made> promise;
  steered_maker maker;
  std::optional<failure> error;
};
using desk = std::vector<kept_work>;

// Keeps what it is told to compile until the test lets it come back.
class patient_maker : public steered_maker::base {
 public:
  patient_maker(caf::actor_config& config, std::shared_ptr<desk> work)
      : steered_maker::base(config), work_(std::move(work)) {}
  behavior_type make_behavior() override {
    return {[this](const make_grammar& ask) {
              auto promise = make_response_promise<grammar_made>();
              work_->push_back({ask, promise, this, {}});
              return promise;
            },
            [this](const tick&) { speak(); }};
  }

 private:
  void speak() {
    auto now = std::move(work_->front());
    work_->erase(work_->begin());
    if (now.error)
      now.promise.deliver(make_error(*now.error));
    else
      now.promise.deliver(grammar_made{now.ask.source->compile(), 0.01});
  }
  std::shared_ptr<desk> work_;
};

struct answer {
  std::optional<grammar_outcome<bound_grammar>> made;
  std::optional<failure> error;
};

// Asks once and leaves.
void ask_store(caf::event_based_actor* self, const grammar_store& store, grammar_source_ptr what,
               std::shared_ptr<answer> ears) {
  self->request(store, caf::infinite, compile_grammar{std::move(what)})
      .then([ears](const grammar_compiled& g) { ears->made = *g.made; },
            [ears](const caf::error& e) { ears->error = to_failure(e); });
}

struct store_stage {
  explicit store_stage(grammar_store_options options = {}) {
    store = spawn_grammar_store(system, options, observer, [this](caf::local_actor* parent) {
      ++num_hired;
      return parent->spawn<patient_maker>(work);
    });
    play();
  }
  ~store_stage() {
    work->clear();
    self->send_exit(store, caf::exit_reason::kill);
    self->send_exit(observer, caf::exit_reason::kill);
    play();
  }
  void play() { director().run(); }
  caf::scheduler::test_coordinator& director() {
    return dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler());
  }
  // As time passes, the store looks at its watch.
  void pass(std::chrono::milliseconds time) {
    for (; time > 0ms; time -= 50ms) {
      director().advance_time(50ms);
      play();
    }
  }
  std::shared_ptr<answer> ask(grammar_source_ptr what) {
    auto ears = std::make_shared<answer>();
    system.spawn(ask_store, store, std::move(what), ears);
    play();
    return ears;
  }
  // The maker that has worked for longest comes back.
  void finish() {
    self->send(work->front().maker, tick{});
    play();
  }
  double metric(const std::string& sample) {
    auto reply = self->request(observer, caf::infinite, render{});
    play();
    std::string text;
    reply.receive([&](std::string& t) { text = std::move(t); }, [](const caf::error&) {});
    auto at = text.find("\n" + sample);
    return at == std::string::npos ? -1 : std::stod(text.substr(text.find("} ", at) + 2));
  }

  caf::actor_system_config config = make_config(caf::atom("testing"));
  caf::actor_system system{config};
  caf::scoped_actor self{system};
  meter observer = spawn_meter(system, "test");
  std::shared_ptr<desk> work = std::make_shared<desk>();
  int num_hired = 0;
  grammar_store store;
};

}  // namespace

TEST_CASE("a source is compiled once, and everybody who asked has its grammar") {
  store_stage s;
  auto a = s.ask(source("a")), again = s.ask(source("a")), b = s.ask(source("b"));
  CHECK(s.work->size() == 2);
  CHECK_FALSE(a->made);
  s.finish();
  REQUIRE(a->made);
  REQUIRE(again->made);
  CHECK((**a->made).constraint == (**again->made).constraint);
  CHECK((**a->made).warnings.at(0).keyword == "title");
  CHECK_FALSE(b->made);
  s.finish();
  CHECK(b->made);
  auto later = s.ask(source("a"));
  CHECK(s.work->empty());
  REQUIRE(later->made);
  CHECK((**later->made).constraint == (**a->made).constraint);
  CHECK(s.metric("troupe_grammar_cache_hits_total") == 1);
  CHECK(s.metric("troupe_grammar_cache_misses_total") == 3);
  CHECK(s.metric("troupe_grammar_cache_entries") == 2);
  CHECK(s.metric("troupe_grammar_cache_bytes") > 0);
  CHECK(s.metric("troupe_grammar_compile_seconds_count") == 2);
  CHECK(s.num_hired == 2);
}

TEST_CASE("a refusal is kept, too") {
  store_stage s;
  auto first = s.ask(source("bad"));
  s.finish();
  auto second = s.ask(source("bad"));
  CHECK(s.work->empty());
  for (auto& heard : {first, second}) {
    REQUIRE(heard->made);
    REQUIRE_FALSE(*heard->made);
    CHECK(heard->made->error().message() == "at /x: not: is not offered");
  }
  CHECK(s.metric("troupe_grammar_refusals_total{model_name=\"test\",engine=\"0\","
                 "reason=\"unsupported\"") == 2);
}

TEST_CASE("what the compiler gives up is a refusal of its source, for a while") {
  store_stage s;
  auto costly = s.ask(source("costly"));
  s.finish();
  REQUIRE(costly->made);
  REQUIRE_FALSE(*costly->made);
  CHECK(costly->made->error().code == error_code::too_large);
  CHECK(s.ask(source("costly"))->made);
  s.director().advance_time(61s);
  CHECK_FALSE(s.ask(source("costly"))->made);
  CHECK(s.work->size() == 1);
}

TEST_CASE("a maker that hangs costs its own source only, and is replaced") {
  store_stage s({.num_makers = 1, .max_lost_makers = 2});
  auto slow = s.ask(source("slow"));
  auto next = s.ask(source("next"));
  CHECK(s.work->size() == 1);
  s.pass(1s);
  CHECK_FALSE(slow->made);
  s.pass(500ms);
  REQUIRE(slow->made);
  REQUIRE_FALSE(*slow->made);
  CHECK(slow->made->error().message() == "compiling takes longer than 1 s");
  CHECK(slow->made->error().code == error_code::too_large);
  REQUIRE(s.work->size() == 2);
  CHECK(s.num_hired == 2);
  std::swap(s.work->front(), s.work->back());
  s.finish();
  REQUIRE(next->made);
  CHECK(*next->made);
  CHECK(s.metric("troupe_grammar_lost_makers") == 1);
  // It is known to be slow, for a while, and comes back as one too many.
  CHECK(s.ask(source("slow"))->made);
  CHECK(s.work->size() == 1);
  s.finish();
  CHECK(s.metric("troupe_grammar_lost_makers") == 0);
  CHECK(s.ask(source("slow"))->made);
  s.director().advance_time(61s);
  CHECK_FALSE(s.ask(source("slow"))->made);
  CHECK(s.work->size() == 1);
}

TEST_CASE("when too many hang, the others wait, and not for ever") {
  store_stage s({.num_makers = 1, .max_lost_makers = 1});
  auto first = s.ask(source("1")), second = s.ask(source("2")), third = s.ask(source("3"));
  s.pass(3s);
  CHECK(first->made);
  CHECK(second->made);
  CHECK(s.num_hired == 2);
  CHECK_FALSE(third->made);
  heartbeat health;
  auto reply = s.self->request(s.store, caf::infinite, beat{});
  s.play();
  reply.receive([&](const heartbeat& h) { health = h; }, [](const caf::error&) {});
  CHECK(health.num_requests == 1);
  CHECK(s.director().clock().now() - health.since >= 3s);
  s.pass(8s);
  REQUIRE(third->error);
  CHECK(third->error->code == error_code::queue_full);
  CHECK(third->error->retry_after > 0ms);
  // One that comes back is at work again.
  auto fourth = s.ask(source("4"));
  s.finish();
  REQUIRE(s.work->size() == 2);
  std::swap(s.work->front(), s.work->back());
  s.finish();
  CHECK(fourth->made);
}

TEST_CASE("the queue is bounded; who shares a source needs no place in it") {
  store_stage s({.max_waiting = 2, .num_makers = 1});
  std::vector<std::shared_ptr<answer>> all;
  for (auto* key : {"1", "2", "3", "4", "3", "1"}) all.push_back(s.ask(source(key)));
  REQUIRE(all[3]->error);
  CHECK(all[3]->error->code == error_code::queue_full);
  CHECK(all[3]->error->retry_after == 1s);
  for (int i = 0; i < 3; ++i) s.finish();
  for (std::size_t i : {0, 1, 2, 4, 5}) CHECK(all[i]->made);
  CHECK(s.metric("troupe_grammar_refusals_total{model_name=\"test\",engine=\"0\","
                 "reason=\"queue_full\"") == 1);
}

TEST_CASE("a compiler that fails fails its request, and is not remembered") {
  store_stage s;
  auto broken = s.ask(source("a"));
  s.work->front().error = failure{.code = error_code::constraint_failed, .message = "bug"};
  s.finish();
  REQUIRE(broken->error);
  CHECK(broken->error->code == error_code::constraint_failed);
  CHECK(broken->error->message == "bug");
  CHECK(s.num_hired == 2);
  auto again = s.ask(source("a"));
  s.finish();
  CHECK(again->made);
}

TEST_CASE("who waits when the store ends hears of it") {
  auto s = std::make_unique<store_stage>();
  auto waiting = s->ask(source("a"));
  s->self->send_exit(s->store, caf::exit_reason::user_shutdown);
  s->play();
  REQUIRE(waiting->error);
  CHECK(waiting->error->code == error_code::shutting_down);
}

TEST_CASE("while a source hangs, answers go on at their pace and other sources are compiled") {
  auto config = make_config(caf::atom("sharing"));
  caf::actor_system system{config};
  caf::scoped_actor self{system};
  engine_limits limits;
  limits.num_pages = 64;
  limits.max_num_seqs = 4;
  limits.max_model_len = 512;
  auto observer = spawn_meter(system, "test");
  auto queue = spawn_request_queue(system, limits, observer);
  auto copy = spawn_replica(system, {.limits = limits}, queue, observer, [] {
    std::vector<std::unique_ptr<runner>> ranks;
    ranks.push_back(std::make_unique<fake_runner>(64));
    return ranks;
  });
  auto store = spawn_grammar_store(system, {.compile_limit = 1h}, observer);
  std::atomic<bool> hangs{true}, has_begun{false};
  auto pathological = std::make_shared<fake_source>("hang", [&] {
    has_begun = true;
    has_begun.notify_all();
    hangs.wait(true);
  });
  auto slow = self->request(store, caf::infinite, compile_grammar{pathological});
  has_begun.wait(false);
  generation_request request{.id = {1}, .prompt = {1, 2, 3}};
  request.sampling.max_tokens = 200;
  request.sampling.ignore_eos = true;
  request.deadline = std::chrono::steady_clock::now() + 1h;
  auto ears = std::make_shared<heard>();
  auto me = caf::actor_cast<caf::actor>(self);
  auto reader = system.spawn([me](token_sink::pointer) -> token_sink::behavior_type {
    return {[](const tokens_ready&) {}, [me](const finished& f) { caf::anon_send(me, f); }};
  });
  self->send(queue, submit{request, reader});
  self->receive([](const finished& f) { CHECK(f.usage.completion_tokens == 200); },
                [](const accepted&) {});
  self->request(store, caf::infinite, compile_grammar{source("fine")})
      .receive([](const grammar_compiled& g) { CHECK(*g.made); },
               [](const caf::error&) { FAIL("no grammar"); });
  CHECK(hangs);
  hangs = false;
  hangs.notify_all();
  slow.receive([](const grammar_compiled& g) { CHECK(*g.made); },
               [](const caf::error&) { FAIL("no grammar"); });
  for (auto& part : {caf::actor_cast<caf::actor>(copy), caf::actor_cast<caf::actor>(queue),
                     caf::actor_cast<caf::actor>(observer), caf::actor_cast<caf::actor>(store),
                     caf::actor_cast<caf::actor>(reader)})
    self->send_exit(part, caf::exit_reason::user_shutdown);
}
