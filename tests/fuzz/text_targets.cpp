// Words, lines and files that people write, and what servers answer to `troupe chat`.
#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/config_file.hpp"
#include "cli/conversation.hpp"
#include "cli/flag_values.hpp"
#include "core/rate_limiter.hpp"
#include "core/scaling_schedule.hpp"
#include "core/token_budget.hpp"
#include "net/api_keys.hpp"
#include "net/client_address.hpp"
#include "net/cors.hpp"
#include "net/http_url.hpp"
#include "net/sse_reader.hpp"
#include "net/websocket_upgrade.hpp"
#include "targets.hpp"
#include "text/detokenizer.hpp"
#include "text/json.hpp"
#include "text/tool_calls.hpp"
#include "text/utf8.hpp"

namespace troupe::test {
namespace {

// What was read can be written, and reads back as the same.
void run_json(std::string_view input) {
  auto value = parse_json(input);
  if (!is_taken(value, input)) return;
  std::string once, twice;
  append_json(once, *value);
  auto again = parse_json(once);
  if (!again) fail("what was written cannot be read", once);
  append_json(twice, *again);
  if (once != twice) fail("a document changes", once);
  std::string python;
  append_json_python(python, *value);
}

std::string read_events(std::string_view input, std::size_t step) {
  sse_reader reader(2000);
  std::vector<sse_event> events;
  while (!input.empty()) {
    auto piece = input.substr(0, step);
    input.remove_prefix(piece.size());
    if (auto pushed = reader.push(piece, events); !pushed) {
      if (pushed.error().message.empty()) fail("a refusal says nothing", piece);
      break;
    }
  }
  std::string out;
  for (auto& event : events) out += event.type + "\1" + event.data + "\1" + event.last_id + "\2";
  if (reader.retry()) out += std::to_string(reader.retry()->count());
  return out;
}

void run_events(std::string_view input) {
  auto whole = read_events(input, std::max<std::size_t>(1, input.size()));
  auto cut = read_events(input, 1);
  // A refusal comes with the byte that is one too many, so what came before it may be less.
  if (!whole.starts_with(cut) && !cut.starts_with(whole)) fail("the cut changes events", input);
}

void run_url(std::string_view input) {
  auto url = parse_url(input);
  if (!is_taken(url, input)) return;
  auto text = std::string(url->is_tls ? "https://" : "http://") + url->authority() + url->path;
  auto again = parse_url(text);
  if (!again || again->host != url->host || again->port != url->port || again->path != url->path)
    fail("a URL changes", text);
}

std::string call_text(const std::vector<tool_delta>& deltas) {
  std::string out;
  std::optional<std::uint32_t> last = 1U << 31U;
  for (auto& delta : deltas) {
    if (delta.call_idx != last) out += "\1" + (delta.call_idx ? delta.name : "") + "\2";
    last = delta.call_idx;
    out += delta.text;
  }
  return out;
}

std::string read_calls(std::string_view input, std::size_t step) {
  tool_call_parser parser;
  std::vector<tool_delta> all;
  for (; !input.empty(); input.remove_prefix(std::min(step, input.size())))
    for (auto& delta : parser.push(input.substr(0, step))) all.push_back(std::move(delta));
  for (auto& delta : parser.finish()) all.push_back(std::move(delta));
  return call_text(all) + std::to_string(parser.num_calls());
}

void run_tool_calls(std::string_view input) {
  if (read_calls(input, std::max<std::size_t>(1, input.size())) != read_calls(input, 1))
    fail("the cut changes calls", input);
}

// Any tokens in any order: whole characters come out, and all of them.
void run_detokenizer(std::string_view input) {
  auto& words = demo_facts().words;
  std::vector<token_id> ids;
  detokenizer one(words, {});
  std::string text;
  for (std::size_t i = 0; i + 1 < input.size(); i += 2) {
    const std::uint32_t low = static_cast<unsigned char>(input[i]);
    const std::uint32_t high = static_cast<unsigned char>(input[i + 1]);
    ids.push_back(static_cast<token_id>((low | high << 8U) % words->vocab_size()));
    one.push(ids.back());
    auto piece = one.take();
    if (!is_utf8(piece)) fail("half a character", piece);
    text += piece;
  }
  one.finish();
  text += one.take();
  if (text != words->decode(ids, true)) fail("pieces are not the whole", text);
}

void run_config_file(std::string_view input) {
  auto settings = parse_config(input, "f.toml");
  if (!is_taken(settings, input)) return;
  for (auto& one : *settings)
    for (auto& value : one.values) {
      auto again = parse_config("a = " + toml_value(value), "g.toml");
      if (!again || again->size() != 1 || again->front().values != std::vector{value})
        fail("a value changes", value);
    }
}

void run_keys(std::string_view input) {
  auto keys = read_api_keys(input, "keys.txt");
  if (!is_taken(keys, input)) return;
  (void)is_taken(check_api_keys(*keys), input);
  for (auto& key : *keys)
    if (!find_key(*keys, key.secret)) fail("a key is not found", key.secret);
}

void run_conversation(std::string_view input) {
  auto talk = parse_conversation(input);
  if (is_taken(talk, input) && !parse_conversation(conversation_json(*talk)))
    fail("a saved conversation cannot be read", input);
  (void)is_taken(parse_chat_piece(input), input);
  auto shown = printable(error_message(input) + first_model(input));
  auto commands = [](char c) {
    return static_cast<unsigned char>(c) < 32 && c != '\n' && c != '\t';
  };
  if (std::ranges::any_of(shown, commands)) fail("a terminal is commanded", shown);
}

// Lines of headers as a request has them, after its first word.
std::vector<http_header> headers_of(std::string_view input) {
  std::vector<http_header> out;
  while (!input.empty()) {
    auto line = input.substr(0, input.find('\n'));
    input.remove_prefix(std::min(line.size() + 1, input.size()));
    auto colon = std::min(line.find(':'), line.size());
    auto value = line.substr(std::min(colon + 1, line.size()));
    out.emplace_back(std::string(line.substr(0, colon)), std::string(value));
  }
  return out;
}

// What headers say of the client, its origin, its key and the upgrade that it wants.
void run_headers(std::string_view input) {
  static const std::vector<network> trusted{*network::parse("10.0.0.0/8"),
                                            *network::parse("fd00::/8")};
  static const std::vector<std::string> allowed{"https://chat.example"};
  http_request request{.method = "GET", .path = "/ws", .headers = headers_of(input)};
  auto peer = asio::ip::make_address("10.0.0.1");
  auto client = client_address(peer, request.headers, trusted);
  if (address_key(client).empty()) fail("a client without an address", input);
  (void)came_encrypted(peer, request.headers, trusted);
  (void)shown_key(request);
  (void)is_welcome(allowed, request);
  for (auto& [name, value] : cors_headers(allowed, request))
    if (value.find_first_of("\r\n") != std::string::npos) fail("a header has lines", value);
  request.method = "OPTIONS";
  (void)answer_preflight(allowed, request, "POST");
  if (auto wrong = check_upgrade(request); wrong && wrong->message.empty())
    fail("a refusal says nothing", input);
}

void run_flags(std::string_view input) {
  if (auto bytes = parse_bytes(input); bytes && parse_bytes(format_bytes(*bytes)) != bytes)
    fail("bytes change", input);
  if (auto time = parse_time(input); time && parse_time(format_time(*time)) != time)
    fail("a time changes", input);
  if (auto rate = parse_rate(input); rate && *rate < 0) fail("a rate below zero", input);
  if (auto rate = parse_token_rate(input); rate && *rate < 0) fail("a rate below zero", input);
  (void)network::parse(input);
  (void)parse_origin(input);
  auto window = parse_scaling_window(input);
  if (is_taken(window, input) && window->from_minute >= window->to_minute)
    fail("a window that ends before it begins", input);
}

}  // namespace

std::span<const fuzz_target> text_targets() {
  static constexpr std::array table{
      fuzz_target{"json", &run_json},
      fuzz_target{"events", &run_events},
      fuzz_target{"url", &run_url},
      fuzz_target{"tool_calls", &run_tool_calls},
      fuzz_target{"detokenizer", &run_detokenizer},
      fuzz_target{"config_file", &run_config_file},
      fuzz_target{"keys", &run_keys},
      fuzz_target{"conversation", &run_conversation},
      fuzz_target{"headers", &run_headers},
      fuzz_target{"flags", &run_flags},
  };
  return table;
}

}  // namespace troupe::test
