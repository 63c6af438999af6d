// The flags of `troupe serve` for gateways and for the replicas that join them.
#pragma once
#include <cstdint>
#include <string>
#include <utility>

#include "core/outcome.hpp"

namespace CLI {
class App;
}

namespace troupe {

struct serve_options;

inline constexpr const char* fleet_group = "Fleet";

void add_fleet_flags(CLI::App* app, serve_options& o);

// "HOST:PORT", an IPv6 address in brackets.
outcome<std::pair<std::string, std::uint16_t>> parse_endpoint(const std::string& text);

}  // namespace troupe
