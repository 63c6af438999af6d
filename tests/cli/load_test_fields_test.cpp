#include "cli/load_test_fields.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace troupe;

namespace {

using words = std::vector<std::string>;

outcome<words> read(std::string_view text) {
  auto body = parse_json(text);
  REQUIRE(bool(body));
  return read_load_test(*body);
}

void refuses(std::string_view text, const std::string& field, const std::string& part) {
  CAPTURE(text);
  auto flags = read(text);
  REQUIRE(!flags);
  CHECK(flags.error().field == field);
  CAPTURE(flags.error().message);
  CHECK(flags.error().message.find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("fields become flags, one word each") {
  auto flags = read(R"({"rate": 5, "duration": "10s", "slo": "ttft_p99<500ms,success>=99%",
                        "prompt_words": "64..256", "stream": false, "ignore_eos": true,
                        "seed": 7, "max_requests": 50})");
  REQUIRE(bool(flags));
  words expected{"--rate=5",
                 "--duration=10s",
                 "--max-requests=50",
                 "--seed=7",
                 "--prompt-words=64..256",
                 "--slo=ttft_p99<500ms,success>=99%",
                 "--no-stream",
                 "--ignore-eos"};
  std::ranges::sort(expected);
  std::ranges::sort(*flags);
  CHECK(*flags == expected);
}

TEST_CASE("what is not given is left to the flags' defaults, but for how many requests there are") {
  auto flags = read(R"({"users": "3", "rate": null, "stream": true, "websocket": false})");
  REQUIRE(bool(flags));
  CHECK(*flags == words{"--users=3", "--max-requests=100000"});
}

TEST_CASE("every plan can be asked for") {
  for (auto* text :
       {R"({"plan": "seed"})", R"({"plan": "concurrency", "concurrency": "1,2,4,..,8"})",
        R"({"plan": "spike", "users": 2, "spike_factor": 4})", R"({"plan": "ramp", "rate": 10})",
        R"({"plan": "soak", "rate": 0.5})",
        R"({"plan": "sweep", "slo": "e2e_p99<2s", "precision": 0.1})"}) {
    CAPTURE(text);
    CHECK(bool(read(text)));
  }
}

TEST_CASE("what is wrong is told with its field") {
  refuses("[]", "", "object");
  refuses(R"({})", "plan", "rate, users or plan");
  refuses(R"({"rate": 5, "users": 2})", "users", "exclude");
  refuses(R"({"rate": "fast"})", "rate", "fast");
  refuses(R"({"rate": 0})", "rate", "0");
  refuses(R"({"rate": true})", "rate", "a boolean");
  refuses(R"({"rate": 5, "duration": "soon"})", "duration", "soon");
  refuses(R"({"rate": 5, "duration": ""})", "duration", "1 to 256 bytes");
  refuses(R"({"rate": 5, "slo": "speed>9000"})", "slo", "speed");
  refuses(R"({"rate": 5, "slo": "a\u0000b"})", "slo", "control");
  refuses(R"({"users": 2.5})", "users", "2.5");
  refuses(R"({"plan": "chaos"})", "plan", "chaos");
  refuses(R"({"plan": "spike"})", "plan", "--rate or --users");
  refuses(R"({"plan": "sweep", "users": 5})", "plan", "users");
  refuses(R"({"rate": 5, "stream": "no"})", "stream", "stream");
  refuses(R"({"rate": 5, "pace": 1})", "pace", "pace");
  refuses(R"({"rate": 5, "prompt_words": "many"})", "prompt_words", "many");
}

TEST_CASE("a page asks for no more than it may") {
  refuses(R"({"rate": 10001})", "rate", "10000");
  refuses(R"({"users": 1001})", "users", "1000");
  refuses(R"({"rate": 5, "duration": "61m"})", "duration", "3600 seconds");
  refuses(R"({"plan": "seed", "knee_duration": "2h"})", "knee_duration", "3600");
  refuses(R"({"plan": "concurrency", "concurrency": "1,5000"})", "concurrency", "1000");
  refuses(R"({"rate": 5, "max_requests": 100001})", "max_requests", "100000");
  refuses(R"({"rate": 5, "timeout": "1h"})", "timeout", "600");
  CHECK(bool(read(R"({"rate": 10000, "duration": "1h", "max_requests": 100000})")));
}

TEST_CASE("no field names a file, an address or a key, and no value becomes a flag") {
  for (auto* field : {"url", "api_key", "trace", "prompts", "schema", "extra_body", "json", "html",
                      "csv", "ledger", "ca", "insecure", "quiet", "workers", "model"})
    refuses(R"({"rate": 5, ")" + std::string(field) + R"(": "x"})", field, field);
  refuses(R"({"rate": "5 --json=/tmp/x"})", "rate", "rate");
  refuses(R"({"rate": 5, "duration": "--json=/tmp/x"})", "duration", "duration");
  refuses(R"({"rate": 5, "arrival": "http://elsewhere/"})", "arrival", "elsewhere");
}
