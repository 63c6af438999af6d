#include "cli/fleet_flags.hpp"

#include <CLI/CLI.hpp>

#include "cli/flags.hpp"
#include "cli/serve_options.hpp"
#include "core/scaling_schedule.hpp"

namespace troupe {
namespace {

constexpr std::uint32_t max_replicas = 64;

std::optional<std::uint32_t> parse_count(const std::string& text) {
  std::uint32_t count = 0;
  bool is_number = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  if (!is_number || !CLI::detail::lexical_cast(text, count) || count > max_replicas)
    return std::nullopt;
  return count;
}

// "3", "1..5"; "0": only those that join.
std::optional<replica_range> parse_range(const std::string& text) {
  auto dots = text.find("..");
  auto min = parse_count(text.substr(0, dots));
  auto max = dots == std::string::npos ? min : parse_count(text.substr(dots + 2));
  if (!min || !max || *min > *max || (*min == 0 && *max > 0)) return std::nullopt;
  return replica_range{*min, *max};
}

void add_replicas(CLI::App* app, fleet_settings& o) {
  auto read = [&o](const std::string& text) {
    o.replicas = parse_range(text);
    if (!o.replicas)
      throw CLI::ValidationError("--replicas",
                                 "expected a count or a range such as 1..5, up to 64: " + text);
  };
  app->add_option_function<std::string>(
         "--replicas", read,
         "Processes that run the model, behind a gateway in this one: a number, or bounds between "
         "which it follows the load, such as 1..5. 0: only those that join (default: the model "
         "runs in this process)")
      ->type_name("COUNT")
      ->group(fleet_group);
}

void add_scaling(CLI::App* app, fleet_settings& o) {
  app->add_option("--standby", o.num_standby,
                  "Replicas beyond those, started and idle, for when one is needed or lost")
      ->check(CLI::Range(0U, 16U))
      ->capture_default_str()
      ->group(fleet_group);
  add_time(app, "--scale-out-after", o.scale_out_after,
           "A load above 70 % for so long starts another replica")
      ->group(fleet_group);
  add_time(app, "--scale-in-after", o.scale_in_after,
           "A load below 30 % for so long lets one go, if the others can carry it")
      ->group(fleet_group);
  auto is_window = [](const std::string& text) {
    auto window = parse_scaling_window(text);
    return window ? std::string{} : window.error().message;
  };
  app->add_option(
         "--replica-schedule", o.schedule,
         "Other bounds at some hours of the week, local time: \"Mon-Fri 08:00-20:00=2..5\"")
      ->check(CLI::Validator(is_window, ""))
      ->type_name("WINDOW")
      ->group(fleet_group);
}

std::string check_endpoint(const std::string& text) {
  auto place = parse_endpoint(text);
  return place ? std::string{} : place.error().message;
}

void add_joining(CLI::App* app, fleet_settings& o) {
  add_time(app, "--replica-timeout", o.silence, "A replica that is silent for so long is lost")
      ->group(fleet_group);
  add_time(app, "--replica-start-timeout", o.start_timeout,
           "A replica that takes longer to start is killed")
      ->group(fleet_group);
  CLI::Validator endpoint(check_endpoint, "");
  app->add_option("--fleet-listen", o.listen,
                  "Where replicas of other machines may join; TLS with certificates of --fleet-ca, "
                  "on both sides")
      ->check(endpoint)
      ->type_name("HOST:PORT")
      ->group(fleet_group);
  app->add_option("--join", o.join,
                  "Be a replica of the gateway there (its --fleet-listen): no HTTP of its own")
      ->check(endpoint)
      ->type_name("HOST:PORT")
      ->group(fleet_group);
  add_switch(
      app, "--rejoin,!--no-rejoin", o.rejoin,
      "With --join or --node-rank: come back when the gateway or node 0 was lost, instead of "
      "leaving")
      ->group(fleet_group);
  app->add_option("--fleet-secret", o.secret,
                  "What a replica must know to join; better in TROUPE_FLEET_SECRET")
      ->type_name("TEXT")
      ->group(fleet_group);
}

void add_certificates(CLI::App* app, fleet_settings& o) {
  auto add = [&](const char* name, std::string& value, const char* help) {
    return app->add_option(name, value, help)
        ->check(CLI::ExistingFile)
        ->type_name("PEM_FILE")
        ->group(fleet_group);
  };
  auto* cert = add("--fleet-cert", o.cert, "This side's certificate, signed by --fleet-ca");
  auto* key = add("--fleet-key", o.key, "Its private key");
  auto* ca = add("--fleet-ca", o.ca, "The authority whose certificates are let in");
  for (auto* one : {cert, key, ca})
    for (auto* other : {cert, key, ca})
      if (one != other) one->needs(other);
}

}  // namespace

outcome<std::pair<std::string, std::uint16_t>> parse_endpoint(const std::string& text) {
  auto colon = text.rfind(':');
  auto host = text.substr(0, colon);
  unsigned port = 0;
  bool has_port =
      colon != std::string::npos && CLI::detail::lexical_cast(text.substr(colon + 1), port);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (!has_port || port > 65535 || host.empty())
    return failure{error_code::invalid_argument,
                   "expected HOST:PORT such as 127.0.0.1:7070 or [::1]:7070: " + text};
  return std::pair{host, static_cast<std::uint16_t>(port)};
}

void add_fleet_flags(CLI::App* app, serve_options& o) {
  add_replicas(app, o.fleet);
  add_scaling(app, o.fleet);
  add_joining(app, o.fleet);
  add_certificates(app, o.fleet);
  app->get_option("--join")->excludes(app->get_option("--replicas"));
}

}  // namespace troupe
