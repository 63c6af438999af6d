// What a connection lives through: pipelining, errors that keep it, errors that end it, slow
// clients.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "net_stage.hpp"

namespace troupe::test {
namespace {

using namespace std::chrono_literals;

const std::string small_body = R"({"prompt": "ab", "max_tokens": 2})";

TEST_CASE("errors of a whole request keep the connection") {
  net_stage stage;
  client reader(stage.port());
  CHECK(reader.get("/nowhere").status == 404);
  CHECK(reader.get("/../etc/passwd").status == 404);
  auto wrong_method = reader.get("/generate");
  CHECK(wrong_method.status == 405);
  CHECK(wrong_method.header("Allow") == "POST");
  reader.send("BREW /health HTTP/1.1\r\nHost: h\r\n\r\n");
  auto brewed = reader.receive();
  CHECK(brewed.status == 405);
  CHECK(brewed.header("Allow") == "GET, HEAD");
  reader.send(
      "POST /generate HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\n"
      "Content-Length: 2\r\n\r\n{}");
  CHECK(reader.receive().status == 415);
  CHECK(reader.post("/generate", "{").status == 400);
  CHECK(reader.post("/generate", small_body).status == 200);
}

TEST_CASE("errors of the framing end it, after the answer") {
  net_stage stage({.max_body_bytes = 1000});
  auto status = [&](const std::string& bytes) {
    client reader(stage.port());
    reader.send(bytes);
    auto answer = reader.receive();
    CHECK(answer.header("Connection") == "close");
    CHECK(answer.header("Content-Type") == "application/json");
    CHECK(answer.body.starts_with(R"({"error":{"message":")"));
    CHECK(reader.is_closed());
    return answer.status;
  };
  CHECK(status("GET / HTTP/1.1\r\n\r\n") == 400);
  CHECK(status("GET / HTTP/1.1\r\nX: " + std::string(9000, 'a') + "\r\n\r\n") == 431);
  CHECK(status("POST /generate HTTP/1.1\r\nHost: h\r\nContent-Length: 9000000000\r\n\r\n") == 413);
  CHECK(status("POST /generate HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n"
               "Expect: 100-continue\r\n\r\n") == 413);
  CHECK(status("POST /generate HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n" +
               std::string(0x400, ' ') + "\r\n0\r\n\r\n") == 413);
  CHECK(status("POST /generate HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n") == 501);
  CHECK(stage.script().num_submitted == 0);
}

TEST_CASE("a body that is too long is refused at once, skipped, and the connection goes on") {
  net_stage stage({.max_body_bytes = 1000});
  client reader(stage.port());
  reader.send("POST /generate HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n");
  CHECK(reader.receive().status == 413);
  std::string body(300'000, '{');
  reader.send(body + "GET /version HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(reader.receive().status == 200);
  reader.send(client::post_text("/generate", std::string(1001, ' ')));
  CHECK(reader.receive().status == 413);
  CHECK(reader.get("/version").status == 200);
  CHECK(stage.script().num_submitted == 0);
}

TEST_CASE("pipelined requests are answered in order") {
  net_stage stage;
  client reader(stage.port());
  std::string all;
  constexpr int num_requests = 200;
  for (int i = 0; i < num_requests; ++i)
    all += client::post_text(
        "/generate", R"({"prompt": "ab", "max_tokens": 2, "seed": )" + std::to_string(i) + "}");
  reader.send(all);
  for (int i = 0; i < num_requests; ++i) {
    auto answer = reader.receive();
    REQUIRE(answer.status == 200);
    CHECK(answer.body.find("\"seed\":" + std::to_string(i) + ",") != std::string::npos);
  }
  CHECK(stage.script().num_cancelled == 0);
}

TEST_CASE("bytes of a next request are no end while an answer is under way") {
  net_stage stage;
  stage.script().pace_ms = 5;
  client reader(stage.port());
  reader.send(
      client::post_text("/generate", R"({"prompt": "ab", "max_tokens": 50, "stream": true})") +
      "GET /version HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(reader.receive().body.ends_with("data: [DONE]\n\n"));
  CHECK(reader.receive().status == 200);
  CHECK(stage.script().num_cancelled == 0);
}

TEST_CASE("HTTP/1.0 clients") {
  net_stage stage;
  {
    client reader(stage.port());
    reader.send("GET /version HTTP/1.0\r\n\r\n");
    auto answer = reader.receive();
    CHECK(answer.status == 200);
    CHECK(answer.header("Connection") == "close");
    CHECK(reader.is_closed());
  }
  client reader(stage.port());
  std::string body = R"({"prompt": "ab", "max_tokens": 2, "stream": true})";
  reader.send("POST /generate HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: " +
              std::to_string(body.size()) + "\r\n\r\n" + body);
  auto answer = reader.receive();
  CHECK_FALSE(answer.was_chunked);
  CHECK(answer.body.starts_with("data: {"));
  CHECK(answer.body.ends_with("data: [DONE]\n\n"));
}

TEST_CASE("a body may wait for 100 Continue") {
  net_stage stage;
  client reader(stage.port());
  auto text = client::post_text("/generate", small_body, "Expect: 100-continue\r\n");
  auto head = text.substr(0, text.find("\r\n\r\n") + 4);
  reader.send(head);
  CHECK(reader.receive().status == 100);
  reader.send(small_body);
  CHECK(reader.receive().status == 200);
}

TEST_CASE("request ids are echoed only when they are sane") {
  net_stage stage;
  client reader(stage.port());
  auto id_for = [&](const std::string& sent) {
    reader.send("GET /version HTTP/1.1\r\nHost: h\r\nX-Request-Id: " + sent + "\r\n\r\n");
    return reader.receive().header("X-Request-Id");
  };
  CHECK(id_for("abc-1.2_Z") == "abc-1.2_Z");
  CHECK(id_for("a b").starts_with("req-"));
  CHECK(id_for("\"}{").starts_with("req-"));
  CHECK(id_for(std::string(65, 'a')).starts_with("req-"));
}

TEST_CASE("slow clients are told and closed") {
  net_stage stage({.header_timeout = 150ms, .body_timeout = 150ms, .idle_timeout = 150ms});
  client idle(stage.port());
  client slow_head(stage.port());
  slow_head.send("GET / HT");
  client slow_body(stage.port());
  slow_body.send("POST /generate HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nab");
  CHECK(slow_head.receive().status == 408);
  CHECK(slow_head.is_closed());
  CHECK(slow_body.receive().status == 408);
  CHECK(slow_body.is_closed());
  CHECK(idle.receive().status == 0);  // nothing was asked, so nothing is answered
}

TEST_CASE("a body that keeps coming may take longer than one stretch of time") {
  net_stage stage({.body_timeout = 150ms, .min_body_bytes = 10});
  client reader(stage.port());
  auto text = client::post_text("/generate", small_body);
  auto body_at = text.find("\r\n\r\n") + 4;
  reader.send(text.substr(0, body_at));
  for (std::size_t at = body_at; at < text.size(); at += 11) {
    std::this_thread::sleep_for(80ms);
    reader.send(text.substr(at, 11));
  }
  CHECK(reader.receive().status == 200);
}

TEST_CASE("connections over the limit wait for a permit") {
  net_stage stage({.max_connections = 2});
  auto first = std::make_unique<client>(stage.port());
  client second(stage.port());
  CHECK(first->get("/version").status == 200);
  CHECK(second.get("/version").status == 200);
  client third(stage.port());
  third.send("GET /version HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK_FALSE(third.is_closed(100ms));
  first.reset();
  CHECK(third.receive().status == 200);
}

TEST_CASE("the bodies of all requests together are bounded") {
  net_stage stage({.max_bodies_bytes = 10'000});
  client first(stage.port());
  auto text = client::post_text("/generate", std::string(9000, ' '));
  first.send(text.substr(0, 8000));
  CHECK(eventually([&] {
    client probe(stage.port());
    return probe.post("/generate", std::string(4000, ' ')).status == 503;
  }));
  first.send(text.substr(8000));
  CHECK(first.receive().status == 400);  // blanks are no JSON
  CHECK(eventually([&] {
    client probe(stage.port());
    return probe.post("/generate", std::string(4000, ' ')).status == 400;
  }));
}

}  // namespace
}  // namespace troupe::test
