// The gate before real routes: keys, rates, budgets, origins, connections.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "net/client_facts.hpp"
#include "net_stage.hpp"

namespace troupe::test {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view short_job = R"({"prompt": "ab", "max_tokens": 2})";

client_response ask(net_stage& stage, std::string_view method, std::string_view path,
                    std::string_view headers) {
  client reader(stage.port());
  reader.send(std::string(method) + " " + std::string(path) + " HTTP/1.1\r\nHost: test\r\n" +
              std::string(headers) + "\r\n");
  return reader.receive();
}

client_response generate(net_stage& stage, std::string_view headers = "",
                         std::string_view job = short_job) {
  client reader(stage.port());
  reader.send(client::post_text("/generate", job, headers));
  return reader.receive();
}

server_options with_gate(gate_options gate) {
  server_options options;
  options.gate = std::move(gate);
  return options;
}

std::vector<api_key> two_keys() {
  return {{.name = "alice", .secret = "sk-a"}, {.name = "bob", .secret = "sk-b"}};
}

TEST_CASE("with keys nothing that computes or tells is open without one") {
  net_stage stage(with_gate({.keys = two_keys()}));
  for (auto* path : {"/health", "/ready", "/", "/chat/app.js", "/common/base.css"})
    CHECK_MESSAGE(ask(stage, "GET", path, "").status == 200, path);
  for (auto* path : {"/metrics", "/version", "/nowhere"}) {
    CHECK_MESSAGE(ask(stage, "GET", path, "").status == 401, path);
    CHECK_MESSAGE(ask(stage, "GET", path, "x-api-key: wrong\r\n").status == 401, path);
  }
  CHECK(ask(stage, "GET", "/nowhere", "x-api-key: sk-a\r\n").status == 404);
  CHECK(ask(stage, "GET", "/metrics", "Authorization: Bearer sk-b\r\n").status == 200);
  auto refused = generate(stage);
  CHECK(refused.status == 401);
  CHECK(refused.header("WWW-Authenticate") == "Bearer realm=\"troupe\"");
  CHECK(refused.body.find("\"invalid_api_key\"") != std::string::npos);
  CHECK(stage.script().num_submitted == 0);
  CHECK(generate(stage, "Authorization: Bearer sk-a\r\n").status == 200);
  auto metrics = ask(stage, "GET", "/metrics", "x-api-key: sk-a\r\n").body;
  CHECK(metrics.find("reason=\"api_key\"} 7") != std::string::npos);
}

TEST_CASE("nobody's body is read before a key is shown") {
  auto options = with_gate({.keys = two_keys(), .allowed_origins = {"https://chat.example"}});
  options.max_bodies_bytes = 1000;  // of all together: a body that is kept would be one too many
  net_stage stage(std::move(options));
  const std::string body(4000, ' ');
  client reader(stage.port());
  reader.send(
      "POST /v1/messages HTTP/1.1\r\nHost: test\r\nOrigin: https://chat.example\r\n"
      "Content-Type: application/json\r\nContent-Length: 4000\r\n\r\n");
  auto refused = reader.receive();  // nothing of the body was sent
  CHECK(refused.status == 401);
  CHECK(refused.body.find(R"("type":"error")") != std::string::npos);  // Anthropic's form
  CHECK(refused.header("Access-Control-Allow-Origin") == "https://chat.example");
  reader.send(body);
  reader.send(client::post_text("/generate", short_job, "Authorization: Bearer sk-a\r\n"));
  CHECK(reader.receive().status == 200);  // the connection goes on where the body ended
  CHECK(stage.script().num_submitted == 1);
}

TEST_CASE("metrics may be open beside keys") {
  net_stage stage(with_gate({.keys = two_keys(), .metrics_without_key = true}));
  CHECK(ask(stage, "GET", "/metrics", "").status == 200);
  CHECK(ask(stage, "GET", "/version", "").status == 401);
}

TEST_CASE("each key has its own prefixes and limits") {
  gate_options gate{.keys = two_keys(), .rate = {.milli_per_second = 7000}};
  gate.keys[1].milli_per_second = 500;
  auto who = [&](const char* secret) {
    return identify(gate, asio::ip::make_address("192.0.2.7"),
                    {.headers = {{"x-api-key", secret}}});
  };
  CHECK(who("sk-a").cache_salt != 0);
  CHECK(who("sk-a").cache_salt != who("sk-b").cache_salt);
  CHECK(who("sk-a").rate.milli_per_second == 7000);
  CHECK(who("sk-b").rate.milli_per_second == 500);
  CHECK(who("sk-b").key_name == "bob");
  CHECK(who("sk-a").limit_key != who("sk-b").limit_key);
  CHECK_FALSE(who("wrong").has_access);
}

TEST_CASE("who comes too often is told when to come back, and the rest stays open") {
  net_stage stage(
      with_gate({.rate = {.milli_per_second = 16, .milli_burst = 1000, .nodelay = true}}));
  CHECK(generate(stage).status == 200);
  CHECK(generate(stage).status == 200);
  auto refused = generate(stage);
  CHECK(refused.status == 429);
  auto seconds = std::stoi(refused.header("Retry-After"));
  CHECK(seconds >= 55);
  CHECK(seconds <= 63);
  CHECK(refused.body.find("\"rate_limit_exceeded\"") != std::string::npos);
  CHECK(stage.script().num_submitted == 2);
  for (auto* path : {"/health", "/metrics", "/version", "/"})
    CHECK(ask(stage, "GET", path, "").status == 200);
  CHECK(ask(stage, "GET", "/metrics", "").body.find("reason=\"rate_limit\"} 1") !=
        std::string::npos);
}

TEST_CASE("the status of a refusal is nginx's if somebody wants that") {
  net_stage stage(with_gate({.rate = {.milli_per_second = 16}, .rate_limit_status = 503}));
  CHECK(generate(stage).status == 200);
  CHECK(generate(stage).status == 503);
}

TEST_CASE("behind a trusted proxy the clients are apart") {
  gate_options gate{.rate = {.milli_per_second = 16}};
  gate.trusted_proxies.push_back(network::parse("127.0.0.0/8").value());
  net_stage stage(with_gate(gate));
  CHECK(generate(stage, "X-Forwarded-For: 192.0.2.1\r\n").status == 200);
  CHECK(generate(stage, "X-Forwarded-For: 192.0.2.1\r\n").status == 429);
  CHECK(generate(stage, "X-Forwarded-For: 192.0.2.2\r\n").status == 200);
  CHECK(generate(stage, "X-Forwarded-For: 2001:db8::1\r\n").status == 200);
  CHECK(generate(stage, "X-Forwarded-For: 2001:db8::2\r\n").status == 429);
}

TEST_CASE("without nodelay a request waits its turn; who leaves meanwhile takes no place") {
  net_stage stage(
      with_gate({.rate = {.milli_per_second = 16, .milli_burst = 9000, .nodelay = false}}));
  CHECK(generate(stage).status == 200);
  CHECK(eventually([&] { return stage.front().num_requests() == 0; }));
  client patient(stage.port());
  patient.send(client::post_text("/generate", short_job));
  CHECK(eventually([&] { return stage.front().num_requests() == 1; }));
  patient.close();
  CHECK(eventually([&] { return stage.front().num_requests() == 0; }));
  CHECK(stage.script().num_submitted == 1);
}

TEST_CASE("a server that ends wakes those who wait their turn") {
  net_stage stage(
      with_gate({.rate = {.milli_per_second = 16, .milli_burst = 9000, .nodelay = false}}));
  CHECK(generate(stage).status == 200);
  CHECK(eventually([&] { return stage.front().num_requests() == 0; }));
  client patient(stage.port());
  patient.send(client::post_text("/generate", short_job));
  CHECK(eventually([&] { return stage.front().num_requests() == 1; }));
  stage.front().end_requests({.code = error_code::shutting_down, .message = "the end"});
  CHECK(patient.receive().status == 503);
}

TEST_CASE("a request in delay mode goes on after its time") {
  net_stage stage(
      with_gate({.rate = {.milli_per_second = 20'000, .milli_burst = 9000, .nodelay = false}}));
  for (int i = 0; i < 4; ++i) CHECK(generate(stage).status == 200);
}

TEST_CASE("a call is charged with what it may use, and what it did not use comes back") {
  net_stage stage(with_gate({.tokens_per_minute = 100}));
  stage.script().eos_after = 1;
  // 2 + 90, of which 4 at most are used: only a charge that comes back lets the next one in.
  constexpr std::string_view big = R"({"prompt": "ab", "max_tokens": 90})";
  CHECK(generate(stage, "", big).status == 200);
  CHECK(eventually([&] { return generate(stage, "", big).status == 200; }));
  stage.script().eos_after = -1;
  CHECK(eventually([&] { return generate(stage, "", big).status == 200; }));
  auto refused = generate(stage, "", big);
  CHECK(refused.status == 429);
  CHECK(std::stoi(refused.header("Retry-After")) >= 40);
  CHECK(refused.body.find("token_budget_exceeded") != std::string::npos);
  auto never = generate(stage, "", R"({"prompt": "ab", "max_tokens": 99})");
  CHECK(never.status == 400);
  CHECK(never.body.find("101 tokens") != std::string::npos);
}

TEST_CASE("the engine's refusal costs nothing, a client that left pays for what it read") {
  net_stage stage(with_gate({.tokens_per_minute = 100}));
  constexpr std::string_view big = R"({"prompt": "ab", "max_tokens": 90})";
  stage.script().is_full = true;
  CHECK(generate(stage, "", big).status == 429);
  stage.script().is_full = false;
  stage.script().pace_ms = 1000;  // one token until it leaves
  {
    client reader(stage.port());
    reader.send(client::post_text("/generate", big));
    CHECK(eventually([&] { return stage.script().num_running == 1; }));
  }
  CHECK(eventually([&] { return stage.script().num_cancelled == 1; }));
  stage.script().pace_ms = 0;
  CHECK(eventually([&] { return generate(stage, "", big).status == 200; }));
}

TEST_CASE("pages of allowed origins may call, others are not told anything") {
  net_stage stage(with_gate({.keys = two_keys(), .allowed_origins = {"https://chat.example"}}));
  std::string question =
      "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n";
  auto answer = ask(stage, "OPTIONS", "/generate", "Origin: https://chat.example\r\n" + question);
  CHECK(answer.status == 204);
  CHECK(answer.head.find("Content-Length") == std::string::npos);
  CHECK(answer.header("Access-Control-Allow-Origin") == "https://chat.example");
  CHECK(answer.header("Access-Control-Allow-Methods") == "POST");
  answer = ask(stage, "OPTIONS", "/generate", "Origin: https://evil.example\r\n" + question);
  CHECK(answer.status == 204);
  CHECK(answer.header("Access-Control-Allow-Origin").empty());
  auto refused = generate(stage, "Origin: https://chat.example\r\n");
  CHECK(refused.status == 401);
  CHECK(refused.header("Access-Control-Allow-Origin") == "https://chat.example");
  std::string known = "x-api-key: sk-a\r\nOrigin: https://chat.example\r\n";
  constexpr std::string_view streamed = R"({"prompt": "ab", "max_tokens": 2, "stream": true})";
  for (auto job : {short_job, streamed}) {
    auto served = generate(stage, known, job);
    CHECK(served.status == 200);
    CHECK(served.header("Access-Control-Allow-Origin") == "https://chat.example");
    CHECK(served.header("Vary") == "Origin");
  }
}

TEST_CASE("a page from elsewhere may not open a WebSocket") {
  net_stage stage;
  auto open = [&](const std::string& origin) {
    return ask(stage, "GET", "/version",
               "Connection: Upgrade\r\nUpgrade: websocket\r\nOrigin: " + origin + "\r\n")
        .status;
  };
  CHECK(open("https://evil.example") == 403);
  CHECK(open("http://test") == 200);
}

TEST_CASE("one address may have so many connections, and gets its place back") {
  net_stage stage(with_gate({.max_connections_per_ip = 2, .limits_loopback = true}));
  auto first = std::make_unique<client>(stage.port());
  client second(stage.port());
  CHECK(first->get("/health").status == 200);
  CHECK(second.get("/health").status == 200);
  client third(stage.port());
  auto refused = third.receive();
  CHECK(refused.status == 503);
  CHECK(refused.body.find("too_many_connections") != std::string::npos);
  CHECK(third.is_closed());
  first = nullptr;
  CHECK(eventually([&] { return client(stage.port()).get("/health").status == 200; }));
}

TEST_CASE("this machine's own connections are not limited unless somebody says so") {
  net_stage stage(with_gate({.max_connections_per_ip = 1}));
  client first(stage.port()), second(stage.port());
  CHECK(first.get("/health").status == 200);
  CHECK(second.get("/health").status == 200);
}

}  // namespace
}  // namespace troupe::test
