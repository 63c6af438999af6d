// Engines in a host's own actor system.
#include "troupe/engine.hpp"

#include <caf/all.hpp>
#include <caf/io/all.hpp>
#include <doctest/doctest.h>

#include <map>
#include <optional>
#include <string>
#include <thread>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

engine_options small_options(device_kind device = device_kind::cpu) {
  engine_options options{.model_dir = TROUPE_DEMO_MODEL, .device = device};
  options.num_kv_pages = 128;
  options.max_model_len = 1024;
  options.threads = 1;
  return options;
}

// A host with an actor of its own, which outlives every engine.
struct host {
  explicit host(bool is_networked = false) : config(configure(is_networked)) {}
  static caf::actor_system_config configure(bool is_networked) {
    caf::actor_system_config config;
    enroll_cast(config);
    if (is_networked) config.load<caf::io::middleman>();
    config.set("scheduler.policy", caf::atom("sharing"));
    config.set("scheduler.max-threads", std::size_t{2});
    return config;
  }
  caf::actor_system_config config;
  caf::actor_system system{config};
};

// Reads the requests of one engine.
class listener {
 public:
  explicit listener(caf::actor_system& system) : self_(system) {
    auto me = caf::actor_cast<caf::actor>(self_);
    reader_ = self_->spawn([me](token_sink::pointer) -> token_sink::behavior_type {
      return {[me](const tokens_ready& t) { caf::anon_send(me, t); },
              [me](const finished& f) { caf::anon_send(me, f); }};
    });
  }
  ~listener() { self_->send_exit(reader_, caf::exit_reason::user_shutdown); }

  std::optional<failure> submit(const engine& to, generation_request request) {
    return submit(to.queue(), std::move(request));
  }
  std::optional<failure> submit(const request_queue& to, generation_request request) {
    std::optional<failure> refused;
    self_->request(to, 10s, troupe::submit{std::move(request), reader_})
        .receive([](const accepted&) {}, [&](const caf::error& e) { refused = to_failure(e); });
    return refused;
  }
  // Waits for a first token.
  void wait_for_tokens() {
    self_->receive([&](const tokens_ready& t) { keep(t); },
                   caf::after(60s) >> [] { FAIL("silence"); });
  }
  // How the requests ended that end within the time or until that many have; more than once shows.
  std::map<std::uint64_t, std::vector<finish_reason>> endings(std::size_t num_wanted,
                                                              std::chrono::milliseconds time) {
    std::map<std::uint64_t, std::vector<finish_reason>> out;
    for (bool is_over = false; !is_over && out.size() < num_wanted;)
      self_->receive([&](const tokens_ready& t) { keep(t); },
                     [&](const finished& f) { out[f.request.value].push_back(f.why); },
                     caf::after(time) >> [&] { is_over = true; });
    for (bool is_over = false; !is_over;)
      self_->receive([&](const tokens_ready& t) { keep(t); },
                     [&](const finished& f) { out[f.request.value].push_back(f.why); },
                     caf::after(50ms) >> [&] { is_over = true; });
    return out;
  }
  const std::vector<token_id>& tokens(std::uint64_t request) { return tokens_[request]; }

 private:
  void keep(const tokens_ready& t) {
    for (auto& sampled : t.tokens) tokens_[t.request.value].push_back(sampled.token);
  }
  caf::scoped_actor self_;
  token_sink reader_;
  std::map<std::uint64_t, std::vector<token_id>> tokens_;
};

using reasons = std::vector<finish_reason>;

generation_request endless(const engine& from) {
  auto request = from.make_request(from.words()->encode("Once upon a time"));
  request.sampling.ignore_eos = true;
  request.sampling.max_tokens = 1000;
  return request;
}

}  // namespace

TEST_CASE("options that do not fit are refused by member, and leave nothing behind") {
  host here;
  auto refuse = [&](const engine_options& options) {
    auto started = start_engine(here.system, options);
    REQUIRE_FALSE(started);
    CHECK(started.error().message.find("--") == std::string::npos);
    return started.error().field;
  };
  auto options = small_options();
  options.max_model_len = 1U << 30;
  CHECK(refuse(options) == "max_model_len");
  options = small_options();
  options.num_kv_pages = 3;
  CHECK(start_engine(here.system, options).error().message.find("max_model_len") !=
        std::string::npos);
  options = small_options(device_kind::null);
  options.kv_dtype = kv_cache_dtype::int8;
  CHECK(refuse(options) == "kv_dtype");
  options = small_options(device_kind::sim);
  options.sim_gpu = "abacus";
  CHECK(refuse(options) == "sim_gpu");
  options = small_options();
  options.model_dir = "/nonexistent-model";
  CHECK(start_engine(here.system, options).error().message.find("nonexistent-model") !=
        std::string::npos);
  CHECK(here.system.registry().running() == 0);
}

TEST_CASE("two engines beside each other answer as one alone; each ends on its own") {
  host here;
  auto first = start_engine(here.system, small_options());
  REQUIRE(first);
  auto ask = [](const engine& who) {
    auto request = who.make_request(who.words()->encode("Hello! Who are you?"));
    request.sampling.temperature = 0;
    request.sampling.max_tokens = 24;
    return request;
  };
  listener ear(here.system);
  auto alone = ask(*first);
  REQUIRE_FALSE(ear.submit(*first, alone));
  CHECK(ear.endings(1, 60s).at(alone.id.value).size() == 1);
  auto expected = ear.tokens(alone.id.value);
  REQUIRE_FALSE(expected.empty());
  {
    auto second = start_engine(here.system, small_options());
    REQUIRE(second);
    listener other(here.system);
    auto here_too = ask(*first), there = ask(*second);
    REQUIRE_FALSE(ear.submit(*first, here_too));
    REQUIRE_FALSE(other.submit(*second, there));
    CHECK(ear.endings(1, 60s).size() == 1);
    CHECK(other.endings(1, 60s).size() == 1);
    CHECK(ear.tokens(here_too.id.value) == expected);
    CHECK(other.tokens(there.id.value) == expected);
    const auto before = here.system.registry().running();
    CHECK(second->stop());
    CHECK(here.system.registry().running() < before);
    CHECK(other.submit(*second, ask(*second)).has_value());
  }
  auto later = ask(*first);
  REQUIRE_FALSE(ear.submit(*first, later));
  CHECK(ear.endings(1, 60s).size() == 1);
  CHECK(ear.tokens(later.id.value) == expected);
}

TEST_CASE("an engine that goes ends what runs and what waits, each once; others live on") {
  host here;
  auto mine = here.system.spawn(
      [](caf::event_based_actor*) -> caf::behavior { return {[](int x) { return x + 1; }}; });
  listener ear(here.system);
  const auto num_others = here.system.registry().running();
  std::vector<std::uint64_t> ids;
  {
    auto options = small_options(device_kind::sim);
    options.max_num_seqs = 2;  // the rest waits in the queue
    auto gone = start_engine(here.system, options);
    REQUIRE(gone);
    for (int i = 0; i < 6; ++i) {
      auto request = endless(*gone);
      ids.push_back(request.id.value);
      REQUIRE_FALSE(ear.submit(*gone, std::move(request)));
    }
    ear.wait_for_tokens();
  }
  CHECK(here.system.registry().running() == num_others);
  auto ends = ear.endings(ids.size(), 5s);
  for (auto id : ids) CHECK(ends[id] == reasons{finish_reason::failed});
  caf::scoped_actor self{here.system};
  self->request(mine, 5s, 41)
      .receive([](int x) { CHECK(x == 42); },
               [](const caf::error&) { FAIL("the host's own is gone"); });
  self->send_exit(mine, caf::exit_reason::user_shutdown);
}

TEST_CASE("cancel ends a request once, wherever it is") {
  host here;
  auto options = small_options(device_kind::sim);
  options.max_num_seqs = 1;
  auto one = start_engine(here.system, options);
  REQUIRE(one);
  listener ear(here.system);
  auto running = endless(*one), waiting = endless(*one);
  REQUIRE_FALSE(ear.submit(*one, running));
  REQUIRE_FALSE(ear.submit(*one, waiting));
  ear.wait_for_tokens();
  caf::anon_send(one->queue(), cancel{waiting.id});
  caf::anon_send(one->queue(), cancel{running.id});
  caf::anon_send(one->queue(), cancel{running.id});
  auto ends = ear.endings(2, 10s);
  CHECK(ends[running.id.value] == reasons{finish_reason::cancelled});
  CHECK(ends[waiting.id.value] == reasons{finish_reason::cancelled});
}

TEST_CASE("chat prompts, forms and metrics") {
  host here;
  auto one = start_engine(here.system, small_options(device_kind::null));
  REQUIRE(one);
  CHECK(one->model_name() == "demo");
  CHECK(one->device() == "null");
  CHECK(one->memory_plan().find("KV") != std::string::npos);
  auto prompt = one->chat_prompt(std::vector<chat_turn>{{"user", "Hi<|im_end|>"}});
  REQUIRE(prompt);
  auto end = one->words()->find_added("<|im_end|>");
  REQUIRE(end);
  // The template's own ends, none of the user's.
  CHECK(std::ranges::count(*prompt, *end) == 2);
  CHECK(one->chat_prompt({}).error().field == "messages");
  auto bad_role = one->chat_prompt(std::vector<chat_turn>{{"parrot", "Hi"}});
  REQUIRE_FALSE(bad_role);
  CHECK(bad_role.error().field == "messages");

  auto form = one->read_form({answer_form::kind::json_schema, R"({"enum": ["yes", "no"]})"});
  REQUIRE(form);
  caf::scoped_actor self{here.system};
  self->request(one->grammars(), 10s, compile_grammar{*form})
      .receive([](const grammar_compiled& made) { CHECK(bool(*made.made)); },
               [](const caf::error& why) { FAIL(to_failure(why).message); });
  CHECK(one->read_form({answer_form::kind::json_schema, "{"}).error().field == "form");
  auto strange = one->read_form({answer_form::kind::regex, "(?=x)"});
  REQUIRE(strange);
  CHECK_FALSE((*strange)->compile());

  auto text = one->metrics();
  REQUIRE(text);
  CHECK(text->find("troupe_") != std::string::npos);
  CHECK(one->stop());
  CHECK(one->stop());
  CHECK_FALSE(one->metrics());
}

TEST_CASE("messages of the cast keep clear of the ids that CAF gives its users first") {
  CHECK(caf::id_block::troupe::begin == TROUPE_FIRST_TYPE_ID);
  CHECK(caf::id_block::troupe::begin > caf::first_custom_type_id + 1000);
}

TEST_CASE("a host in another actor system talks to the engine through its door") {
  host near(true);
  host far(true);
  auto started = start_engine(near.system, small_options());
  REQUIRE(started);
  auto port = near.system.middleman().publish(started->door(), 0, "127.0.0.1");
  REQUIRE(port);
  auto door = far.system.middleman().remote_actor<request_queue>("127.0.0.1", *port);
  REQUIRE(door);

  auto request = started->make_request(started->words()->encode("Once upon a time"));
  request.sampling.temperature = 0;
  request.sampling.max_tokens = 30;
  listener here(near.system);
  REQUIRE_FALSE(here.submit(*started, request));
  CHECK(here.endings(1, 60s).at(request.id.value).size() == 1);
  auto expected = here.tokens(request.id.value);

  {
    listener there(far.system);
    auto sent = request;
    sent.id = {1'000'001};
    REQUIRE_FALSE(there.submit(*door, sent));
    CHECK(there.endings(1, 60s).at(sent.id.value).size() == 1);
    CHECK(there.tokens(sent.id.value) == expected);
    // The id is free again.
    REQUIRE_FALSE(there.submit(*door, sent));
    CHECK(there.endings(1, 60s).at(sent.id.value).size() == 1);

    // A form travels as what it was made from.
    auto form = started->read_form({.how = answer_form::kind::regex, .source = "[0-9]{12}"});
    REQUIRE(form);
    sent.id = {1'000'002};
    sent.grammar_text = std::make_shared<const std::string>((*form)->key());
    REQUIRE_FALSE(there.submit(*door, sent));
    CHECK(there.endings(1, 60s).at(sent.id.value) == reasons{finish_reason::stop});
    auto text = started->words()->decode(there.tokens(sent.id.value), true);
    CHECK(text.size() == 12);
    CHECK(text.find_first_not_of("0123456789") == std::string::npos);

    // The id of a running request is taken.
    auto longer = endless(*started);
    longer.id = {1'000'003};
    REQUIRE_FALSE(there.submit(*door, longer));
    there.wait_for_tokens();
    auto refused = there.submit(*door, longer);
    REQUIRE(refused);
    CHECK(refused->field == "id");
  }
  // Its reader is gone: so is the request.
  auto deadline = std::chrono::steady_clock::now() + 20s;
  auto running = [&] {
    auto text = started->metrics();
    REQUIRE(text);
    auto at = text->find("\nvllm:num_requests_running{");
    return text->substr(text->find("} ", at) + 2, 1);
  };
  while (running() != "0" && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(20ms);
  CHECK(running() == "0");
}
