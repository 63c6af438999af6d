#include "net/api_keys.hpp"

#include <doctest/doctest.h>

namespace troupe {
namespace {

std::string complaint(std::string_view text) {
  auto keys = read_api_keys(text, "keys.txt");
  REQUIRE_FALSE(keys);
  return keys.error().message;
}

http_request with(std::vector<http_header> headers) { return {.headers = std::move(headers)}; }

TEST_CASE("a file of keys: names, keys, limits, comments") {
  auto keys = read_api_keys(
      "# the family\n\nalice  sk-alice\r\n"
      "bob\tsk-#bob rate=30r/m burst=4 tokens=100000/min",
      "keys.txt");
  REQUIRE(keys);
  REQUIRE(keys->size() == 2);
  CHECK((*keys)[0].name == "alice");
  CHECK((*keys)[0].secret == "sk-alice");
  CHECK_FALSE((*keys)[0].milli_per_second);
  CHECK((*keys)[1].secret == "sk-#bob");
  CHECK((*keys)[1].milli_per_second == 500);
  CHECK((*keys)[1].milli_burst == 4000);
  CHECK((*keys)[1].tokens_per_minute == 100'000);
  CHECK(check_api_keys(*keys));
}

TEST_CASE("a complaint has the line's number and never a key") {
  CHECK(complaint("# nothing\n") ==
        "keys.txt holds no key, expected lines \"name key [rate=2r/s] [burst=4] "
        "[tokens=100000/min]\"");
  CHECK(complaint("a b\n\nhidden") ==
        "keys.txt line 3: expected \"name key [rate=2r/s] [burst=4] [tokens=100000/min]\"");
  for (auto* rest : {"rate=2", "rate=0r/s", "burst=-1", "burst=1.5", "tokens=5", "tokens=5/s",
                     "hidden", "speed=3", "rate=1r/s rate=2r/s", "burst=1000001"}) {
    auto text = complaint("# one\nalice hidden " + std::string(rest));
    CAPTURE(text);
    CHECK(text.starts_with("keys.txt line 2: "));
    CHECK(text.find("hidden") == std::string::npos);
  }
  CHECK(complaint("al/ice k").starts_with("keys.txt line 1: a name is"));
  CHECK(complaint("alice " + std::string(257, 'k')).starts_with("keys.txt line 1: a key is"));
  CHECK(complaint("alice k\xc3\xa9y").starts_with("keys.txt line 1: a key is"));
}

TEST_CASE("names and keys are unique") {
  CHECK_FALSE(check_api_keys({{"a", "1"}, {"a", "2"}}));
  auto twice = check_api_keys({{"a", "hidden"}, {"b", "hidden"}});
  REQUIRE_FALSE(twice);
  CHECK(twice.error().message.find("hidden") == std::string::npos);
  CHECK_FALSE(check_api_keys(std::vector<api_key>(max_api_keys + 1)));
}

TEST_CASE("where a request shows its key") {
  CHECK(shown_key(with({{"authorization", "Bearer k1"}})) == "k1");
  CHECK(shown_key(with({{"Authorization", "bearer   k1"}})) == "k1");
  CHECK(shown_key(with({{"X-Api-Key", "k2"}})) == "k2");
  CHECK(shown_key(with({{"Authorization", "Basic Zm9v"}, {"x-api-key", "k2"}})) == "k2");
  CHECK(shown_key(with({{"Authorization", "Bearer k1"}, {"x-api-key", "k2"}})) == "k1");
  http_header protocols{"Sec-WebSocket-Protocol", "troupe, troupe.key.k3"};
  CHECK(shown_key(with({protocols, {"Upgrade", "WebSocket"}})) == "k3");
  CHECK(shown_key(with({protocols})).empty());
  CHECK(shown_key(with({{"Authorization", "Bearer"}})).empty());
  CHECK(shown_key(with({{"Authorization", "Bearer "}})).empty());
  CHECK(shown_key(with({})).empty());
}

TEST_CASE("a key is the whole key") {
  std::vector<api_key> keys{{"a", "abab"}, {"b", "secret"}, {"c", std::string(256, 'x')}};
  CHECK(find_key(keys, "abab") == 0);
  CHECK(find_key(keys, "secret") == 1);
  CHECK(find_key(keys, std::string(256, 'x')) == 2);
  for (auto* wrong : {"", "ab", "ababab", "abababab", "Secret", "secre", "secrets", "secretsecret"})
    CHECK_MESSAGE(!find_key(keys, wrong), wrong);
  CHECK_FALSE(find_key(keys, std::string(512, 'x')));
  CHECK_FALSE(find_key({}, "secret"));
}

}  // namespace
}  // namespace troupe
