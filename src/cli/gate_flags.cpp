#include "cli/gate_flags.hpp"

#include <CLI/CLI.hpp>
#include <string>

#include "core/rate_limiter.hpp"
#include "core/token_budget.hpp"
#include "net/api_keys.hpp"
#include "net/client_address.hpp"
#include "net/cors.hpp"

namespace troupe {
namespace {

const auto* group = "Gate";

// A value is fine if `parse` makes something of it.
template <class Parse>
CLI::Validator readable_by(Parse parse, const std::string& expected) {
  auto check = [parse, expected](const std::string& text) {
    return parse(text) ? std::string{} : "expected " + expected + ": " + text;
  };
  return {check, ""};
}

void add_key_flags(CLI::App* app, gate_settings& gate) {
  // The complaint must not show the key.
  auto is_key = [](const std::string& text) {
    auto checked = check_secret(text);
    return checked ? std::string{} : checked.error().message;
  };
  app->add_option("--api-key", gate.api_keys,
                  "Key that clients must show; may be given again. Every user of this machine can "
                  "read flags: prefer --api-key-file")
      ->check(CLI::Validator(is_key, ""))
      ->allow_extra_args(false)
      ->type_name("KEY")
      ->group(group);
  app->add_option("--api-key-file", gate.api_key_file,
                  "Lines: name key [rate=2r/s] [burst=4] [tokens=100000/min]")
      ->type_name("FILE")
      ->group(group);
  app->add_flag("--metrics-without-key", gate.metrics_without_key,
                "/metrics is open to everybody; /health, /ready and the page always are")
      ->group(group);
}

void add_rate_flags(CLI::App* app, gate_settings& gate) {
  app->add_option(
         "--rate-limit", gate.rate_limit,
         "Requests of one client, as nginx counts: 2r/s or 30r/m (default: none). A client "
         "is a key, or an address (IPv6: a /64)")
      ->check(readable_by(&parse_rate, "a rate such as 2r/s or 30r/m"))
      ->type_name("RATE")
      ->group(group);
  app->add_option("--rate-burst", gate.rate_burst, "Requests beyond the rate that wait their turn")
      ->check(CLI::Range(std::uint32_t{0}, static_cast<std::uint32_t>(max_burst)))
      ->capture_default_str()
      ->group(group);
  app->add_flag("--rate-nodelay", gate.rate_nodelay, "The burst passes at once instead of waiting")
      ->group(group);
  app->add_option("--rate-limit-status", gate.rate_limit_status,
                  "Of refusals by the rate or the budget: 429, or 503 as nginx has it")
      ->check(CLI::IsMember({429, 503}))
      ->capture_default_str()
      ->group(group);
  app->add_option("--token-budget", gate.token_budget,
                  "Tokens of one client, prompt and completion: 100000/min (default: none)")
      ->check(readable_by(&parse_token_rate, "a budget such as 100000/min"))
      ->type_name("BUDGET")
      ->group(group);
}

void add_origin_flags(CLI::App* app, gate_settings& gate) {
  app->add_option("--trusted-proxies", gate.trusted_proxies,
                  "Networks whose X-Forwarded-For and -Proto are believed (default: none)")
      ->check(readable_by(&network::parse, "a network such as 10.0.0.0/8 or fd00::/8"))
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("CIDR,...")
      ->group(group);
  app->add_option("--allowed-origins", gate.allowed_origins,
                  "Whose pages may call from a browser: https://chat.example, or * (default: none)")
      ->check(readable_by(&parse_origin, "an origin such as https://chat.example, or *"))
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("ORIGIN,...")
      ->group(group);
  app->add_option("--max-connections-per-ip", gate.max_connections_per_ip,
                  "Connections open at once from one address; 0: no limit (default: 256, none for "
                  "this machine's own and for trusted proxies)")
      ->type_name("UINT")
      ->group(group);
}

void add_log_flags(CLI::App* app, gate_settings& gate) {
  app->add_option("--access-log", gate.access_log,
                  "One line of JSON per request to FILE, or - for stderr (default: none)")
      ->type_name("FILE")
      ->group(group);
  app->add_flag("--core-dumps", gate.core_dumps,
                "Let a crash write a core file, which holds what people asked (default: none is "
                "written)")
      ->group(group);
  app->add_flag("--log-prompts", gate.log_prompts,
                "The access log has the first 16 KiB of bodies, too")
      ->group(group);
}

}  // namespace

void add_gate_flags(CLI::App* app, gate_settings& gate) {
  add_key_flags(app, gate);
  add_rate_flags(app, gate);
  add_origin_flags(app, gate);
  add_log_flags(app, gate);
}

}  // namespace troupe
