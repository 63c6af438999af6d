#include "cli/fleet_link.hpp"

#include <caf/io/all.hpp>
#include <caf/openssl/all.hpp>
#include <string>

#include "cli/fleet_flags.hpp"

namespace troupe {
namespace {

failure link_failure(const std::string& what, const caf::error& why, const std::string& flag) {
  return {error_code::io_error, what + " (" + caf::to_string(why) + ")", flag};
}

}  // namespace

void configure_link(caf::actor_system_config& config, const fleet_settings& options) {
  config.load<caf::io::middleman>();
  // A peer that is frozen or cut off is noticed by these, long after the fleet has (its own
  // reports).
  config.set("middleman.heartbeat-interval", caf::timespan{std::chrono::seconds{1}});
  config.set("middleman.connection-timeout", caf::timespan{std::chrono::seconds{3}});
  if (options.cert.empty()) return;
  config.load<caf::openssl::manager>();
  config.openssl_certificate = options.cert;
  config.openssl_key = options.key;
  config.openssl_cafile = options.ca;
}

outcome<std::uint16_t> publish_fleet(caf::actor_system& system, const fleet& replicas,
                                     const fleet_settings& options) {
  auto port = system.middleman().publish(replicas, 0, "127.0.0.1");
  if (!port) return link_failure("no port for replicas", port.error(), "");
  if (options.listen.empty()) return *port;
  if (options.cert.empty())
    return failure{
        error_code::invalid_argument,
        "needs --fleet-cert, --fleet-key and --fleet-ca: whoever reaches that port could "
        "read and answer requests",
        "--fleet-listen"};
  auto place = parse_endpoint(options.listen);
  if (!place) return place.error();
  auto open = caf::openssl::publish(replicas, place->second, place->first.c_str(), true);
  if (!open)
    return link_failure("cannot listen on " + options.listen, open.error(), "--fleet-listen");
  return *port;
}

outcome<fleet> find_fleet(caf::actor_system& system, const fleet_settings& options) {
  auto place = parse_endpoint(options.join);
  if (!place) return place.error();
  auto found = options.cert.empty()
                   ? system.middleman().remote_actor<fleet>(place->first, place->second)
                   : caf::openssl::remote_actor<fleet>(system, place->first, place->second);
  if (!found) return link_failure("no gateway at " + options.join, found.error(), "--join");
  return *found;
}

}  // namespace troupe
