#include "net/route_table.hpp"

#include <array>
#include <vector>

#include "net/routes/routes.hpp"
#include "net/web_files.hpp"

namespace troupe {

std::span<const route> all_routes() {
  static constexpr std::array own{
      route{"POST", "/generate", true, &answer_dialect},
      route{"POST", "/generate_stream", true, &answer_dialect, error_style::tgi},
      route{"POST", "/v1/completions", true, &answer_dialect},
      route{"POST", "/v1/chat/completions", true, &answer_dialect},
      route{"POST", "/v1/responses", true, &answer_dialect},
      route{"GET", "/v1/responses", false, &answer_responses_socket},
      route{"GET", "/v1/responses/{}", false, &answer_response},
      route{"DELETE", "/v1/responses/{}", false, &delete_response},
      route{"GET", "/v1/responses/{}/input_items", false, &answer_response_input},
      route{"POST", "/v1/messages", true, &answer_dialect, error_style::anthropic},
      route{"POST", "/v1/messages/count_tokens", true, &answer_count_tokens,
            error_style::anthropic},
      route{"GET", "/ws", false, &answer_websocket},
      route{"GET", "/v1/models", false, &answer_models},
      route{"GET", "/v1/models/{}", false, &answer_model},
      route{"POST", "/tokenize", true, &answer_tokenize},
      route{"POST", "/detokenize", true, &answer_detokenize},
      route{"GET", "/health", false, &answer_health},
      route{"GET", "/ready", false, &answer_ready},
      route{"GET", "/metrics", false, &answer_metrics},
      route{"GET", "/version", false, &answer_version},
      route{"GET", "/server_info", false, &answer_server_info},
      // The load tests of the dashboard; without --enable-load-tests they say so.
      route{"POST", "/load_tests", true, &begin_load_test, error_style::openai, true},
      route{"GET", "/load_tests", false, &answer_load_tests},
      route{"GET", "/load_tests/{}", false, &answer_load_test},
      route{"POST", "/load_tests/{}/stop", false, &end_load_test, error_style::openai, true},
      route{"GET", "/load_tests/{}/report.html", false, &answer_load_test_file},
      route{"GET", "/load_tests/{}/report.json", false, &answer_load_test_file},
      route{"GET", "/load_tests/{}/report.csv", false, &answer_load_test_file},
      route{"GET", "/load_tests/{}/history.csv", false, &answer_load_test_file},
      route{"GET", "/load_tests/{}/failures.csv", false, &answer_load_test_file},
      route{"GET", "/load_tests/{}/ledger.jsonl", false, &answer_load_test_file},
  };
  // The pages' files are routes like all others.
  static const std::vector<route> table = [] {
    std::vector<route> all(own.begin(), own.end());
    for (auto& file : web_files()) all.push_back({"GET", file.path, false, &answer_page});
    return all;
  }();
  return table;
}

namespace {

bool matches(std::string_view pattern, std::string_view path) {
  auto begin = pattern.find("{}");
  if (begin == std::string_view::npos) return pattern == path;
  auto head = pattern.substr(0, begin);
  auto tail = pattern.substr(begin + 2);
  if (path.size() <= head.size() + tail.size()) return false;
  auto part = path.substr(head.size(), path.size() - head.size() - tail.size());
  return path.starts_with(head) && path.ends_with(tail) && part.find('/') == part.npos;
}

}  // namespace

route_match find_route(std::span<const route> table, std::string_view method,
                       std::string_view path) {
  route_match match;
  for (auto& candidate : table) {
    if (!matches(candidate.path, path)) continue;
    match.path = candidate.path;
    bool is_head = method == "HEAD" && candidate.method == "GET";
    if (candidate.method == method || is_head) match.found = &candidate;
    if (!match.allowed_methods.empty()) match.allowed_methods += ", ";
    match.allowed_methods += candidate.method;
    if (candidate.method == "GET") match.allowed_methods += ", HEAD";
  }
  return match;
}

}  // namespace troupe
