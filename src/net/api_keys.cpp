#include "net/api_keys.hpp"

#include <algorithm>
#include <charconv>
#include <set>

#include "core/rate_limiter.hpp"
#include "core/token_budget.hpp"

namespace troupe {
namespace {

constexpr std::size_t max_name_bytes = 64;
constexpr std::string_view line_form = "name key [rate=2r/s] [burst=4] [tokens=100000/min]";
constexpr std::string_view key_protocol = "troupe.key.";

bool is_name(std::string_view text) {
  auto is_plain = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.';
  };
  return !text.empty() && text.size() <= max_name_bytes && std::ranges::all_of(text, is_plain);
}

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    auto end = std::min(text.find_first_of(separators), text.size());
    if (end > 0) out.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::optional<std::int64_t> parse_burst(std::string_view text) {
  std::int64_t number = 0;
  auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  bool is_whole = error == std::errc{} && rest == text.data() + text.size();
  if (!is_whole || number < 0 || number > max_burst) return std::nullopt;
  return number * 1000;
}

// What is wrong with the word, or empty.
std::string read_limit(std::string_view word, api_key& key) {
  auto equals = std::min(word.find('='), word.size());
  auto name = word.substr(0, equals);
  auto value = word.substr(std::min(equals + 1, word.size()));
  struct limit {
    std::string_view name;
    std::optional<std::int64_t>& place;
    std::optional<std::int64_t> (*parse)(std::string_view);
    std::string_view example;
  };
  const limit limits[] = {
      {"rate", key.milli_per_second, &parse_rate, "rate=2r/s or rate=30r/m"},
      {"burst", key.milli_burst, &parse_burst, "burst=4"},
      {"tokens", key.tokens_per_minute, &parse_token_rate, "tokens=100000/min"}};
  for (auto& one : limits) {
    if (one.name != name) continue;
    if (one.place) return std::string(name) + " is given twice";
    one.place = one.parse(value);
    return one.place ? "" : "expected " + std::string(one.example);
  }
  // Not the word itself: it may be half a key.
  return "after the key expected rate=, burst= or tokens=";
}

// What is wrong with the line, or empty.
std::string read_line(const std::vector<std::string_view>& words, api_key& key) {
  if (words.size() < 2) return "expected \"" + std::string(line_form) + "\"";
  if (!is_name(words[0])) return "a name is 1 to 64 letters, digits, '-', '_' or '.'";
  key.name = words[0];
  if (auto wrong = check_secret(words[1]); !wrong) return wrong.error().message;
  key.secret = words[1];
  for (std::size_t i = 2; i < words.size(); ++i)
    if (auto wrong = read_limit(words[i], key); !wrong.empty()) return wrong;
  return {};
}

// Differs from zero unless they are equal; looks at all of `shown` whatever it finds.
unsigned difference(std::string_view secret, std::string_view shown) {
  auto out = static_cast<unsigned>(secret.size() ^ shown.size());
  for (std::size_t i = 0; i < shown.size(); ++i)
    out |= static_cast<unsigned char>(shown[i]) ^
           static_cast<unsigned char>(secret[i % secret.size()]);
  return out;
}

// The first subprotocol that is offered and that `is_wanted`, or empty.
template <class Wanted>
std::string_view find_protocol(const http_request& request, Wanted is_wanted) {
  for (auto& [name, value] : request.headers) {
    if (!equals_ignoring_case(name, "Sec-WebSocket-Protocol")) continue;
    for (auto offer : split(value, ", \t"))
      if (is_wanted(offer)) return offer;
  }
  return {};
}

std::string_view key_among_protocols(const http_request& request) {
  auto is_key = [](std::string_view offer) { return offer.starts_with(key_protocol); };
  auto offer = find_protocol(request, is_key);
  return offer.empty() ? offer : offer.substr(key_protocol.size());
}

}  // namespace

refusal check_secret(std::string_view secret) {
  auto is_visible = [](char c) { return c > ' ' && c < 127; };
  if (secret.empty() || secret.size() > max_secret_bytes ||
      !std::ranges::all_of(secret, is_visible))
    return failure{.message = "a key is 1 to 256 visible ASCII characters"};
  return nothing{};
}

outcome<std::vector<api_key>> read_api_keys(std::string_view text, const std::string& file) {
  std::vector<api_key> keys;
  for (std::size_t number = 1; !text.empty(); ++number) {
    auto end = std::min(text.find('\n'), text.size());
    auto words = split(text.substr(0, end), " \t\r");
    text.remove_prefix(std::min(end + 1, text.size()));
    if (words.empty() || words[0].starts_with('#')) continue;
    if (auto wrong = read_line(words, keys.emplace_back()); !wrong.empty())
      return failure{.message = file + " line " + std::to_string(number) + ": " + wrong};
  }
  // Without this an empty file would open the server to everybody.
  if (keys.empty())
    return failure{.message =
                       file + " holds no key, expected lines \"" + std::string(line_form) + "\""};
  return keys;
}

refusal check_api_keys(const std::vector<api_key>& keys) {
  if (keys.size() > max_api_keys)
    return failure{.message = std::to_string(keys.size()) + " API keys, the limit is " +
                              std::to_string(max_api_keys)};
  std::set<std::string_view> names, secrets;
  for (auto& key : keys) {
    if (!names.insert(key.name).second)
      return failure{.message = "two API keys have the name \"" + key.name + "\""};
    if (!secrets.insert(key.secret).second)
      return failure{.message = "\"" + key.name + "\" has the key of another API key"};
  }
  return nothing{};
}

std::string_view shown_key(const http_request& request) {
  constexpr std::string_view scheme = "Bearer ";
  auto authorization = request.header("Authorization");
  if (equals_ignoring_case(authorization.substr(0, scheme.size()), scheme)) {
    auto key = authorization.substr(scheme.size());
    return key.substr(std::min(key.find_first_not_of(' '), key.size()));
  }
  if (auto key = request.header("x-api-key"); !key.empty()) return key;
  return wants_websocket(request) ? key_among_protocols(request) : std::string_view{};
}

std::optional<std::size_t> find_key(const std::vector<api_key>& keys, std::string_view secret) {
  if (secret.empty() || secret.size() > max_secret_bytes) return std::nullopt;
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (difference(keys[i].secret, secret) == 0) found = i;
  return found;
}

bool wants_websocket(const http_request& request) {
  return equals_ignoring_case(request.header("Upgrade"), "websocket");
}

bool offers_protocol(const http_request& request, std::string_view protocol) {
  return !find_protocol(request, [&](auto offer) { return offer == protocol; }).empty();
}

}  // namespace troupe
