#include "cli/gate_setup.hpp"

#include <spdlog/spdlog.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include "core/token_budget.hpp"
#include "net/access_log.hpp"
#include "net/cors.hpp"

namespace troupe {
namespace {

constexpr std::uintmax_t max_key_file_bytes = 4U << 20;

// A container's secrets are often readable by all inside it, so this is no reason to refuse.
void warn_if_public(const std::filesystem::path& file) {
  std::error_code ignored;
  auto rights = std::filesystem::status(file, ignored).permissions();
  if (!ignored && (rights & std::filesystem::perms::others_read) != std::filesystem::perms::none)
    spdlog::warn("every user of this machine can read the API keys in {}", file.string());
}

outcome<std::vector<api_key>> read_key_file(const std::filesystem::path& file) {
  std::error_code why;
  auto num_bytes = std::filesystem::file_size(file, why);
  std::ifstream in(file, std::ios::binary);
  if (why || !in)
    return failure{.code = error_code::io_error,
                   .message = "cannot read " + file.string() + (why ? ": " + why.message() : ""),
                   .field = "api-key-file"};
  if (num_bytes > max_key_file_bytes)
    return failure{.code = error_code::too_large,
                   .message = file.string() + " is larger than 4 MiB",
                   .field = "api-key-file"};
  warn_if_public(file);
  std::string text(std::istreambuf_iterator<char>(in), {});
  auto keys = read_api_keys(text, file.string());
  if (keys) return keys;
  auto wrong = keys.error();
  wrong.field = "api-key-file";
  return wrong;
}

outcome<std::vector<api_key>> collect_keys(const gate_settings& settings) {
  std::vector<api_key> keys;
  for (auto& secret : settings.api_keys)
    keys.push_back({.name = "api-key-" + std::to_string(keys.size() + 1), .secret = secret});
  if (!settings.api_key_file.empty()) {
    auto more = read_key_file(settings.api_key_file);
    if (!more) return more;
    keys.insert(keys.end(), more->begin(), more->end());
  }
  if (auto checked = check_api_keys(keys); !checked) return checked.error();
  return keys;
}

}  // namespace

outcome<gate_options> set_up_gate(const gate_settings& settings) {
  auto keys = collect_keys(settings);
  if (!keys) return keys.error();
  gate_options gate{.keys = *std::move(keys),
                    .metrics_without_key = settings.metrics_without_key,
                    .rate_limit_status = settings.rate_limit_status,
                    .limits_loopback = settings.max_connections_per_ip.has_value(),
                    .log_prompts = settings.log_prompts};
  // The flags have been checked as they were read.
  for (auto& text : settings.trusted_proxies)
    gate.trusted_proxies.push_back(network::parse(text).value());
  for (auto& text : settings.allowed_origins)
    gate.allowed_origins.push_back(parse_origin(text).value());
  gate.rate = {.milli_per_second = parse_rate(settings.rate_limit).value_or(0),
               .milli_burst = std::int64_t{settings.rate_burst} * 1000,
               .nodelay = settings.rate_nodelay};
  gate.tokens_per_minute = parse_token_rate(settings.token_budget).value_or(0);
  gate.max_connections_per_ip =
      settings.max_connections_per_ip.value_or(gate.max_connections_per_ip);
  if (!settings.access_log.empty()) {
    auto log = access_log::open(settings.access_log);
    if (!log) return log.error();
    gate.log = *std::move(log);
  }
  return gate;
}

}  // namespace troupe
