// Clients that leave, engines that fail, servers that stop.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "net_stage.hpp"

namespace troupe::test {
namespace {

using namespace std::chrono_literals;

std::string long_request(bool stream) {
  return client::post_text("/generate",
                           std::string(R"({"prompt": "ab", "max_tokens": 90000, "stream": )") +
                               (stream ? "true}" : "false}"));
}

TEST_CASE("a client that leaves cancels, however it leaves") {
  net_stage stage;
  stage.script().pace_ms = 2;
  auto& script = stage.script();
  int num_before = 0;
  for (bool stream : {false, true})
    for (auto leave : {&client::close, &client::reset, &client::half_close})
      for (bool has_next : {false, true}) {
        CAPTURE(stream);
        client reader(stage.port());
        reader.send(long_request(stream) +
                    (has_next ? "GET /version HTTP/1.1\r\nHost: h\r\n\r\n" : ""));
        if (stream) CHECK_FALSE(reader.receive_until("data: ").empty());
        CHECK(eventually([&] { return script.num_running == 1; }));
        (reader.*leave)();
        CHECK(eventually([&] { return script.num_cancelled == num_before + 1; }));
        CHECK(eventually([&] { return stage.front().num_requests() == 0; }));
        num_before = script.num_cancelled;
      }
  CHECK(script.num_running == 0);
}

TEST_CASE("a client that does not read is cancelled once its answer piles up") {
  server_options options{
      .max_pending_bytes = 64 << 10, .send_buffer_bytes = 64 << 10, .write_timeout = 300ms};
  net_stage stage(options);
  stage.script().pace_ms = 1;
  stage.script().tokens_per_turn = 5000;
  client reader(stage.port(), 4096);
  std::string prompt(50, 'x');
  reader.send(client::post_text(
      "/generate",
      R"({"prompt": ")" + prompt + R"(", "max_tokens": 99000, "logprobs": 1, "stream": true})"));
  CHECK(eventually([&] { return stage.script().num_cancelled == 1; }));
  CHECK(eventually([&] { return stage.front().num_requests() == 0; }));
}

TEST_CASE("a full queue says when to come again") {
  net_stage stage;
  stage.script().is_full = true;
  client reader(stage.port());
  for (const char* stream : {"false", "true"}) {
    auto answer =
        reader.post("/generate", std::string(R"({"prompt": "ab", "stream": )") + stream + "}");
    CHECK(answer.status == 429);
    CHECK(answer.header("Retry-After") == "3");
    CHECK(answer.body.find("\"queue_full\"") != std::string::npos);
  }
  stage.script().is_full = false;
  CHECK(reader.post("/generate", R"({"prompt": "ab"})").status == 200);
}

TEST_CASE("failures before the first text have a status, later ones are events") {
  net_stage stage;
  stage.script().pace_ms = 1;
  client reader(stage.port());
  auto post = [&](bool stream) {
    return reader.post("/generate",
                       std::string(R"({"prompt": "ab", "max_tokens": 50, "stream": )") +
                           (stream ? "true}" : "false}"));
  };
  stage.script().time_out_after = 0;
  CHECK(post(false).status == 504);
  CHECK(post(true).status == 504);
  stage.script().time_out_after = -1;
  stage.script().fail_after = 0;
  CHECK(post(false).status == 500);
  auto failed = post(true);
  CHECK(failed.status == 500);
  CHECK(failed.body.find("a device broke") != std::string::npos);
  stage.script().fail_after = 10;
  CHECK(post(false).status == 500);
  auto cut = post(true);
  CHECK(cut.status == 200);
  CHECK(cut.body.find(R"(data: {"error":{"message":"a device broke")") != std::string::npos);
  CHECK(cut.body.ends_with("data: [DONE]\n\n"));
  CHECK(cut.body.find("finish_reason") == std::string::npos);
}

TEST_CASE("the death of the engine ends every answer, and the server lives") {
  for (bool is_silent : {false, true}) {
    CAPTURE(is_silent);
    net_stage stage;
    stage.script().pace_ms = 5;
    stage.script().die_after = 20;
    stage.script().dies_silently = is_silent;
    client streaming(stage.port());
    client waiting(stage.port());
    streaming.send(long_request(true));
    waiting.send(long_request(false));
    auto events = streaming.receive();
    CHECK(events.status == 200);
    CHECK(events.body.find("data: {\"error\"") != std::string::npos);
    CHECK(waiting.receive().status == 500);
    CHECK(waiting.post("/generate", R"({"prompt": "ab"})").status == 500);
    CHECK(waiting.get("/health").status == 200);
  }
}

TEST_CASE("a drain lets answers end, refuses new ones, closes idle connections") {
  net_stage stage;
  stage.script().pace_ms = 5;
  client idle(stage.port());
  CHECK(idle.get("/ready").status == 200);
  client busy(stage.port());
  busy.send(
      client::post_text("/generate", R"({"prompt": "ab", "max_tokens": 40, "stream": true})") +
      client::post_text("/generate", R"({"prompt": "ab"})"));
  CHECK_FALSE(busy.receive_until("data: ").empty());
  stage.front().stop_accepting();
  stage.drain_engine();
  CHECK(idle.is_closed());
  CHECK(stage.front().num_requests() == 1);
  CHECK_FALSE(busy.receive_until("\"finish_reason\":\"length\"").empty());
  CHECK(busy.is_closed());
  CHECK(eventually([&] {
    try {
      client late(stage.port());
      return late.is_closed(10ms);
    } catch (const std::runtime_error&) {
      return true;
    }
  }));
  CHECK(eventually([&] { return stage.front().num_requests() == 0; }));
}

TEST_CASE("answers that outlast the drain end with an error") {
  net_stage stage;
  stage.script().pace_ms = 5;
  client streaming(stage.port());
  client waiting(stage.port());
  streaming.send(long_request(true));
  waiting.send(long_request(false));
  CHECK_FALSE(streaming.receive_until("data: ").empty());
  CHECK(eventually([&] { return stage.front().num_requests() == 2; }));
  stage.front().end_requests({error_code::shutting_down, "the server is shutting down", "", 5s});
  CHECK_FALSE(streaming.receive_until("\"code\":\"shutting_down\"").empty());
  auto answer = waiting.receive();
  CHECK(answer.status == 503);
  CHECK(answer.header("Retry-After") == "5");
  CHECK(eventually([&] { return stage.script().num_cancelled == 2; }));
}

TEST_CASE("a server stops under load, quickly and without a leftover") {
  auto stage = std::make_unique<net_stage>(server_options{.num_io_threads = 2});
  stage->script().pace_ms = 1;
  std::vector<std::unique_ptr<client>> readers;
  for (int i = 0; i < 50; ++i) {
    readers.push_back(std::make_unique<client>(stage->port()));
    if (i % 5 != 0) readers.back()->send(long_request(i % 2 == 0));
  }
  CHECK(eventually([&] { return stage->script().num_running == 40; }));
  auto begin = std::chrono::steady_clock::now();
  stage.reset();
  CHECK(std::chrono::steady_clock::now() - begin < 2s);
}

TEST_CASE("running out of descriptors pauses the listener, and it recovers") {
  net_stage stage;
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  client waiting(stage.port());
  CHECK(waiting.get("/version").status == 200);
  client late(stage.port());
  // Accepted by now: or its acceptance could take the last descriptor below.
  CHECK(late.get("/version").status == 200);
  int highest = ::open("/dev/null", O_RDONLY);
  rlimit low{static_cast<rlim_t>(highest + 2), before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &low);
  client unlucky(stage.port());  // takes the last descriptor
  unlucky.send("GET /version HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK_FALSE(unlucky.is_closed(250ms));
  CHECK(waiting.get("/version").status == 200);  // those that are in go on
  ::setrlimit(RLIMIT_NOFILE, &before);
  CHECK(unlucky.receive().status == 200);
  ::close(highest);
}

}  // namespace
}  // namespace troupe::test
