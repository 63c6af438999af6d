// The pages: served whole, with headers that keep scripts of others out, and not sent twice.
#include <doctest/doctest.h>

#include <string>

#include "net/web_files.hpp"
#include "net_stage.hpp"

namespace troupe::test {
namespace {

TEST_CASE("every file of the pages has its type and its policy") {
  net_stage stage;
  client reader(stage.port());
  for (auto& file : web_files()) {
    CAPTURE(file.path);
    auto answer = reader.get(file.path);
    CHECK(answer.status == 200);
    CHECK(answer.body == file.bytes);
    CHECK(answer.header("ETag") == file.etag);
    CHECK(answer.header("Cache-Control") == "no-cache");
    CHECK(answer.header("X-Content-Type-Options") == "nosniff");
    CHECK(answer.header("Referrer-Policy") == "no-referrer");
    auto policy = answer.header("Content-Security-Policy");
    CHECK(policy.starts_with("default-src 'none'; script-src 'self'; "));
    CHECK(policy.find("unsafe") == std::string::npos);
  }
  CHECK(reader.get("/").header("Content-Type") == "text/html; charset=utf-8");
  CHECK(reader.get("/chat/app.js").header("Content-Type") == "text/javascript; charset=utf-8");
  CHECK(reader.get("/chat/chat.css").header("Content-Type") == "text/css; charset=utf-8");
  CHECK(reader.get("/icon.svg").header("Content-Type") == "image/svg+xml");
  CHECK(reader.get("/index.html").status == 404);
  CHECK(reader.post("/", "{}").status == 405);
}

TEST_CASE("a copy that is still right is not sent again") {
  net_stage stage;
  client reader(stage.port());
  auto tag = reader.get("/").header("ETag");
  auto ask = [&](const std::string& tags) {
    reader.send("HEAD / HTTP/1.1\r\nHost: h\r\nIf-None-Match: " + tags + "\r\n\r\n");
    return reader.receive_until("\r\n\r\n");
  };
  for (auto& tags : {tag, "W/" + tag, "\"x\", " + tag, std::string("*")}) {
    auto head = ask(tags);
    CHECK(head.starts_with("HTTP/1.1 304 Not Modified\r\n"));
    CHECK(head.find("ETag: " + tag) != std::string::npos);
    CHECK(head.find("Content-Length") == std::string::npos);
  }
  CHECK(ask("\"another\"").starts_with("HTTP/1.1 200 OK\r\n"));
}

}  // namespace
}  // namespace troupe::test
