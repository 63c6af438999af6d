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
      route{"GET", "/ws", false, &answer_websocket},
      route{"GET", "/v1/models", false, &answer_models},
      route{"POST", "/tokenize", true, &answer_tokenize},
      route{"POST", "/detokenize", true, &answer_detokenize},
      route{"GET", "/health", false, &answer_health},
      route{"GET", "/ready", false, &answer_ready},
      route{"GET", "/metrics", false, &answer_metrics},
      route{"GET", "/version", false, &answer_version},
      route{"GET", "/server_info", false, &answer_server_info},
  };
  // The pages' files are routes like all others.
  static const std::vector<route> table = [] {
    std::vector<route> all(own.begin(), own.end());
    for (auto& file : web_files()) all.push_back({"GET", file.path, false, &answer_page});
    return all;
  }();
  return table;
}

route_match find_route(std::span<const route> table, std::string_view method,
                       std::string_view path) {
  route_match match;
  for (auto& candidate : table) {
    if (candidate.path != path) continue;
    bool is_head = method == "HEAD" && candidate.method == "GET";
    if (candidate.method == method || is_head) match.found = &candidate;
    if (!match.allowed_methods.empty()) match.allowed_methods += ", ";
    match.allowed_methods += candidate.method;
    if (candidate.method == "GET") match.allowed_methods += ", HEAD";
  }
  return match;
}

}  // namespace troupe
