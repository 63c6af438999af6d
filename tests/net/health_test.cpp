// /health and /ready of a whole house whose device hangs, fails and comes back.
#include <doctest/doctest.h>

#include <caf/all.hpp>

#include <atomic>
#include <string>
#include <thread>

#include "../actors/fake_runner.hpp"
#include "net/house_health.hpp"
#include "net_stage.hpp"
#include "parsed.hpp"
#include "text/json.hpp"

namespace troupe::test {
namespace {

using namespace std::chrono_literals;

struct device_script {
  std::atomic<bool> hangs{false};
  std::atomic<bool> fails{false};
};

class scripted_device : public fake_runner {
 public:
  explicit scripted_device(device_script& script) : fake_runner(64), script_(script) {}
  void compute(const step_batch& batch) override {
    while (script_.hangs && !was_aborted) std::this_thread::sleep_for(1ms);
    if (script_.fails) throw device_error("injected failure");
    fake_runner::compute(batch);
  }

 private:
  device_script& script_;
};

// The real queue, replica and meter behind a real server; only the device is fake.
class live_house {
 public:
  explicit live_house(std::chrono::milliseconds executor_timeout = 60s) {
    replica_options options;
    options.limits.num_pages = 64;
    options.limits.max_num_seqs = 4;
    options.limits.max_model_len = 512;
    options.executor_timeout = executor_timeout;
    options.stall_timeout = 400ms;
    queue = spawn_request_queue(system, options.limits, observer);
    copy = spawn_replica(system, options, queue, observer, [this] {
      std::vector<std::unique_ptr<runner>> ranks;
      ranks.push_back(std::make_unique<scripted_device>(device));
      return ranks;
    });
    service facts;
    facts.model_name = "fake";
    facts.words = byte_words();
    facts.limits = options.limits;
    facts.vocab_size = 1000;
    facts.queue = queue;
    facts.observer = observer;
    facts.copy = copy;
    facts.store = store;
    front = std::make_unique<server>(system, std::move(facts), server_options{.port = 0});
    REQUIRE(front->start());
  }
  ~live_house() {
    device.hangs = false;
    front->stop();
    end(copy);
    end(queue);
    end(observer);
    end(store);
  }

  template <class Handle>
  static void end(const Handle& actor) {
    caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
  }
  client_response get(std::string_view path) { return client(front->port()).get(path); }
  bool becomes(std::string_view path, int status) {
    return eventually([&] { return get(path).status == status; });
  }
  // Something that keeps the device busy; nobody reads its end.
  void submit_work(client& line) {
    line.send(client::post_text("/generate", R"({"prompt": "abc", "max_tokens": 8})"));
  }

  device_script device;
  caf::actor_system_config config = make_config();
  caf::actor_system system{config};
  meter observer = spawn_meter(system, "fake");
  request_queue queue;
  replica copy;
  grammar_store store = spawn_grammar_store(system, {}, observer);
  std::unique_ptr<server> front;

 private:
  static caf::actor_system_config make_config() {
    caf::actor_system_config config;
    enroll_cast(config);
    config.set("scheduler.policy", caf::atom("sharing"));
    config.set("scheduler.max-threads", std::size_t{2});
    return config;
  }
};

const json_value& at(const json_value& value, std::string_view key) {
  auto* found = value.find(key);
  REQUIRE_MESSAGE(found != nullptr, key);
  return *found;
}

TEST_CASE("a house that is well names every part") {
  live_house house;
  REQUIRE(house.becomes("/ready", 200));
  for (auto* path : {"/ready", "/health"}) {
    auto answer = parse(house.get(path).body);
    CHECK(answer.find("reason") == nullptr);
    auto& parts = at(answer, "parts");
    for (auto* name :
         {"queue", "batcher", "page_manager", "grammarian", "replica", "meter", "grammar_store"})
      CHECK(*at(at(parts, name), "status").as_string() == "ok");
    auto& executors = *at(parts, "executors").as_array();
    REQUIRE(executors.size() == 1);
    CHECK(*at(executors[0], "rank").as_int() == 0);
    double age = -1;
    CHECK(at(executors[0], "heartbeat_age_s").get_number(age));
    CHECK(age >= 0);
  }
}

TEST_CASE("a device that hangs is not ready, but no death; then it comes back") {
  live_house house;
  REQUIRE(house.becomes("/ready", 200));
  house.device.hangs = true;
  client line(house.front->port());
  house.submit_work(line);
  REQUIRE(house.becomes("/ready", 503));
  REQUIRE(eventually([&] {
    return house.get("/ready").body.find("executor 0 has not answered") != std::string::npos;
  }));
  auto answer = parse(house.get("/ready").body);
  CHECK(*at(answer, "status").as_string() == "not_ready");
  auto& executor = at(at(answer, "parts"), "executors").as_array()->front();
  CHECK(*at(executor, "status").as_string() == "failing");
  CHECK(house.get("/health").status == 200);
  for (auto* sample : {"\ntroupe_replica_ready{model_name=\"fake\",engine=\"0\"} 0\n",
                       "\nvllm:num_requests_running{model_name=\"fake\",engine=\"0\"} 1\n"}) {
    auto is_shown = [&] { return house.get("/metrics").body.find(sample) != std::string::npos; };
    CHECK_MESSAGE(eventually(is_shown), sample);
  }
  house.device.hangs = false;
  CHECK(house.becomes("/ready", 200));
  CHECK(line.receive().status == 200);
}

TEST_CASE("a device that hangs for too long is replaced") {
  live_house house(600ms);
  REQUIRE(house.becomes("/ready", 200));
  house.device.hangs = true;
  client line(house.front->port());
  house.submit_work(line);
  CHECK(line.receive().status >= 500);
  house.device.hangs = false;
  CHECK(house.becomes("/ready", 200));
  auto answer = parse(house.get("/ready").body);
  CHECK(*at(at(at(answer, "parts"), "replica"), "num_restarts").as_int() >= 1);
}

TEST_CASE("a replica that gave up is dead") {
  live_house house;
  REQUIRE(house.becomes("/ready", 200));
  house.device.fails = true;
  for (int i = 0; i < 6 && house.get("/health").status == 200; ++i) {
    client line(house.front->port());
    house.submit_work(line);
    CHECK(line.receive().status >= 500);
  }
  CHECK(house.becomes("/health", 503));
  auto answer = parse(house.get("/health").body);
  CHECK(*at(answer, "status").as_string() == "dead");
  CHECK(at(answer, "reason").as_string()->find("gave up") != std::string::npos);
  CHECK(house.get("/ready").status == 503);
}

TEST_CASE("an actor that is gone is named") {
  live_house house;
  REQUIRE(house.becomes("/ready", 200));
  live_house::end(house.observer);
  CHECK(house.becomes("/ready", 503));
  CHECK(house.get("/health").status == 503);
  auto answer = parse(house.get("/health").body);
  CHECK(at(answer, "reason").as_string()->find("the meter does not answer") == 0);
}

TEST_CASE("a server that drains is not ready") {
  house_state state{
      .copy = replica_status{.ready = true}, .observer = heartbeat{}, .store = heartbeat{}};
  CHECK(judge_readiness(state).is_well);
  state.is_draining = true;
  CHECK_FALSE(judge_readiness(state).is_well);
  CHECK(judge_life(state).is_well);
}

TEST_CASE("grammars that nobody compiles make the house not ready") {
  auto now = steady_time{} + 1h;
  house_state state{.copy = replica_status{.ready = true},
                    .observer = heartbeat{},
                    .store = heartbeat{.num_requests = 3, .since = now - 4s},
                    .now = now};
  CHECK(judge_readiness(state).is_well);
  state.store = heartbeat{.num_requests = 3, .since = now - 6s};
  CHECK_FALSE(judge_readiness(state).is_well);
  CHECK(judge_readiness(state).body.find("the grammar_store lets 3 grammars wait") !=
        std::string::npos);
  CHECK(judge_life(state).is_well);
  state.store = failure{.code = error_code::timed_out, .message = "silence"};
  CHECK_FALSE(judge_readiness(state).is_well);
  CHECK_FALSE(judge_life(state).is_well);
}

TEST_CASE("the server tells its limits") {
  live_house house;
  auto answer = parse(house.get("/server_info").body);
  CHECK(*at(at(answer, "model"), "name").as_string() == "fake");
  CHECK(*at(at(answer, "limits"), "max_num_seqs").as_int() == 4);
  CHECK(*at(at(answer, "features"), "yarn").as_string() == "off");
}

TEST_CASE("connections and streams are counted while they are open") {
  net_stage stage;
  stage.script().pace_ms = 20;
  client watcher(stage.port());
  auto value = [&](const std::string& name) {
    auto text = watcher.get("/metrics").body;
    auto place = text.find("\n" + name + " ");
    return place == std::string::npos ? -1.0 : std::stod(text.substr(place + name.size() + 2));
  };
  {
    client reader(stage.port());
    reader.send(
        client::post_text("/generate", R"({"prompt": "ab", "max_tokens": 10000, "stream": true})"));
    reader.receive_until("data: ");
    CHECK(eventually([&] { return value("troupe_http_streams") == 1; }));
    CHECK(value("troupe_http_connections") == 2);
  }
  CHECK(eventually([&] { return value("troupe_http_streams") == 0; }));
  CHECK(eventually([&] { return value("troupe_http_connections") == 1; }));
  watcher.send("BREW /health HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(watcher.receive().status == 405);
  CHECK(eventually([&] {
    return value(R"(http_requests_total{handler="/health",method="other",status="405"})") == 1;
  }));
}

}  // namespace
}  // namespace troupe::test
