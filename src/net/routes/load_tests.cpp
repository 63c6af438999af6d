#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "net/api_keys.hpp"
#include "net/bridge.hpp"
#include "net/exchange.hpp"
#include "net/off_strand.hpp"
#include "net/routes/routes.hpp"
#include "text/json_builder.hpp"
#include "text/utf8.hpp"

namespace troupe {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 5000ms;  // a process is made on the way
constexpr std::string_view base_path = "/load_tests/";
constexpr std::size_t piece_bytes = 256U << 10;

// Of the report, what tells in a few lines how the run went.
constexpr std::array<std::string_view, 22> result_keys{"verdict",           "slo",
                                                       "warnings",          "duration",
                                                       "completed",         "failed",
                                                       "rejected",          "aborted",
                                                       "best_stage",        "mean_ttft_ms",
                                                       "p50_ttft_ms",       "p95_ttft_ms",
                                                       "p99_ttft_ms",       "p50_itl_ms",
                                                       "p95_itl_ms",        "p99_itl_ms",
                                                       "p50_e2el_ms",       "p95_e2el_ms",
                                                       "p99_e2el_ms",       "request_throughput",
                                                       "output_throughput", "total_output_tokens"};

failure switched_off() {
  return {.code = error_code::not_found,
          .message = "load tests are off here: troupe serve --enable-load-tests has them"};
}

// "3" of "/load_tests/3/stop"; 0, which no test has, for what is no number.
std::uint64_t number_in(std::string_view path) {
  path.remove_prefix(base_path.size());
  path = path.substr(0, path.find('/'));
  std::uint64_t number = 0;
  auto end = path.data() + path.size();
  auto parsed = std::from_chars(path.data(), end, number);
  return parsed.ec == std::errc{} && parsed.ptr == end ? number : 0;
}

outcome<std::uint64_t> first_line_in(std::string_view query) {
  if (query.empty()) return std::uint64_t{0};
  constexpr std::string_view name = "from=";
  std::uint64_t first = 0;
  auto end = query.data() + query.size();
  if (query.starts_with(name)) {
    auto parsed = std::from_chars(query.data() + name.size(), end, first);
    if (parsed.ec == std::errc{} && parsed.ptr == end) return first;
  }
  return failure{.message = "expected ?from=N: the first second that is wanted", .field = "from"};
}

void append_known(json_builder& json, std::string_view name, std::int64_t time) {
  json.key(name);
  if (time != 0)
    json.value(time);
  else
    json.null();
}

void append_text(json_builder& json, std::string_view name, std::string_view text) {
  json.key(name);
  if (text.empty())
    json.null();
  else
    json.value(text);
}

// The members of a test, without the braces.
void append_test(json_builder& json, const load_test_record& test) {
  json.field("id", std::to_string(test.number)).field("object", "load_test");
  json.field("state", to_string(test.state)).key("arguments").begin_array();
  for (auto& word : test.arguments) json.value(word);
  json.end_array();
  append_known(json, "started_at", test.started_at);
  append_known(json, "ended_at", test.ended_at);
  json.field("was_stopped", test.was_stopped).key("exit_status");
  if (test.exit_status)
    json.value(*test.exit_status);
  else
    json.null();
  append_text(json, "verdict", verdict_of(test));
  append_text(json, "error", repair_utf8(test.why));
  json.key("files").begin_array();
  for (auto& name : test.files) json.value(name);
  json.end_array();
}

std::string to_json(const load_test_list& all) {
  std::string out;
  json_builder json(out);
  json.begin_object().field("object", "list").key("data").begin_array();
  for (auto& test : all.tests) {
    json.begin_object();
    append_test(json, test);
    json.end_object();
  }
  json.end_array().end_object();
  return out += '\n';
}

// `result`: JSON; empty: there is none.
std::string to_json(const load_test_view& view, const std::string& result) {
  std::string out;
  json_builder json(out);
  json.begin_object();
  append_test(json, view.test);
  json.field("progress_from", view.test.num_lines - view.lines.size());
  json.key("progress").begin_array();
  for (auto& line : view.lines) json.raw(line);
  json.end_array().key("result");
  if (result.empty())
    json.null();
  else
    json.raw(result);
  json.end_object();
  return out += '\n';
}

// What result_keys say; empty if the report cannot be read.
std::string read_result(const std::filesystem::path& report) {
  auto json = read_json_file(report);
  if (!json) return {};
  json_object found;
  for (auto key : result_keys)
    if (auto* value = json->find(key)) found.emplace_back(key, *value);
  std::string out;
  append_json(out, found);
  return out;
}

bool has_file(const load_test_record& test, std::string_view name) {
  return std::ranges::count(test.files, name) > 0;
}

asio::awaitable<void> reply_with(exchange& turn, const load_test_view& view, int status = 200) {
  std::string result;
  if (has_file(view.test, "report.json")) {
    auto& house = turn.house();
    std::function<std::string()> read = [report = view.folder / "report.json"] {
      return read_result(report);
    };
    result = co_await run_off_strand<std::string>(house.text_threads, turn.home().strand,
                                                  std::move(read));
  }
  http_response response{
      .status = status, .body = to_json(view, result), .headers = {{"Cache-Control", "no-store"}}};
  co_await turn.reply(std::move(response));
}

// The answer of the actor that runs the tests.
template <class Answer, class Question>
asio::awaitable<outcome<Answer>> ask_tester(exchange& turn, Question question) {
  if (!turn.facts().tests) co_return switched_off();
  co_return co_await ask<Answer>(turn.house().system, turn.home(), turn.facts().tests,
                                 std::move(question), patience);
}

http_error runs_already(const load_test_record& test) {
  return {.status = 409,
          .message = "load test " + std::to_string(test.number) +
                     " runs: there is one at a time, and it can be stopped",
          .code = "load_test_running"};
}

std::string_view type_of(std::string_view name) {
  if (name.ends_with(".html")) return "text/html; charset=utf-8";
  if (name.ends_with(".csv")) return "text/csv; charset=utf-8";
  if (name.ends_with(".jsonl")) return "application/x-ndjson";
  return "application/json";
}

// A page is shown, all else is saved. The page has scripts of its own, and nothing to do with ours:
// it runs as if it came from elsewhere.
std::vector<http_header> headers_of(std::uint64_t number, std::string_view name) {
  auto shown_as = "load-test-" + std::to_string(number) + "-" + std::string(name);
  std::string how = name.ends_with(".html") ? "inline" : "attachment";
  return {{"Content-Disposition", how + "; filename=\"" + shown_as + "\""},
          {"Content-Security-Policy", "sandbox allow-scripts"},
          {"X-Content-Type-Options", "nosniff"},
          {"Referrer-Policy", "no-referrer"},
          {"Cache-Control", "no-store"}};
}

failure no_file(const load_test_record& test, std::string_view name) {
  auto why = !test.is_over() ? "it runs" : test.why.empty() ? "it left none" : test.why;
  return {.code = error_code::not_found,
          .message = "load test " + std::to_string(test.number) + " has no " + std::string(name) +
                     ": " + repair_utf8(why)};
}

}  // namespace

asio::awaitable<void> answer_load_tests(exchange& turn) {
  auto all = co_await ask_tester<load_test_list>(turn, ask_load_tests{});
  if (all) {
    http_response response{.body = to_json(*all), .headers = {{"Cache-Control", "no-store"}}};
    co_await turn.reply(std::move(response));
  } else {
    co_await turn.refuse(all.error());
  }
}

asio::awaitable<void> begin_load_test(exchange& turn) {
  outcome<std::vector<std::string>> arguments = switched_off();
  if (turn.facts().tests) {
    auto body = parse_json(turn.request().body);
    arguments =
        body ? turn.facts().read_load_test(*body) : outcome<std::vector<std::string>>(body.error());
  }
  if (!arguments) {
    co_await turn.refuse(arguments.error());
    co_return;
  }
  // The test asks as whoever started it: by their key, within their limits.
  start_load_test order{*std::move(arguments), std::string(shown_key(turn.request()))};
  auto started = co_await ask_tester<load_test_started>(turn, std::move(order));
  if (!started) {
    co_await turn.refuse(started.error());
  } else if (!started->is_new) {
    auto why = runs_already(started->test);
    co_await turn.refuse(why);
  } else {
    load_test_view view{.test = std::move(started->test), .lines = {}, .folder = {}};
    co_await reply_with(turn, view, 201);
  }
}

asio::awaitable<void> end_load_test(exchange& turn) {
  stop_load_test order{number_in(turn.request().path)};
  auto view = co_await ask_tester<load_test_view>(turn, order);
  if (view)
    co_await reply_with(turn, *view);
  else
    co_await turn.refuse(view.error());
}

asio::awaitable<void> answer_load_test(exchange& turn) {
  auto first_line = first_line_in(turn.request().query);
  if (!first_line) {
    co_await turn.refuse(first_line.error());
    co_return;
  }
  ask_load_test question{number_in(turn.request().path), *first_line};
  auto view = co_await ask_tester<load_test_view>(turn, question);
  if (view)
    co_await reply_with(turn, *view);
  else
    co_await turn.refuse(view.error());
}

asio::awaitable<void> answer_load_test_file(exchange& turn) {
  std::string_view path = turn.request().path;
  auto name = path.substr(path.rfind('/') + 1);
  ask_load_test question{number_in(path), ~std::uint64_t{0}};
  auto view = co_await ask_tester<load_test_view>(turn, question);
  if (!view) {
    co_await turn.refuse(view.error());
    co_return;
  }
  std::ifstream bytes;
  auto file = std::ranges::find(load_test_files, name, &load_test_file::name);
  if (has_file(view->test, name)) bytes.open(view->folder / file->place, std::ios::binary);
  auto length = bytes.is_open() ? bytes.seekg(0, std::ios::end).tellg() : std::streampos(-1);
  if (length < 0) {
    auto why = no_file(view->test, name);
    co_await turn.refuse(why);
    co_return;
  }
  bytes.seekg(0);
  http_response head{.content_type = std::string(type_of(name)),
                     .headers = headers_of(view->test.number, name)};
  std::function<std::string()> next = [&bytes] {
    std::string piece(piece_bytes, '\0');
    bytes.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    piece.resize(static_cast<std::size_t>(bytes.gcount()));
    return piece;
  };
  co_await turn.reply_in_pieces(std::move(head), static_cast<std::uint64_t>(length),
                                std::move(next));
}

}  // namespace troupe
