// What routes ask of the house. Not templates, so that the crossing is compiled once.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <string>

#include "core/outcome.hpp"
#include "net/house_health.hpp"

namespace troupe {

class exchange;

// The metrics in Prometheus' text form.
boost::asio::awaitable<outcome<std::string>> ask_for_metrics(exchange& turn);
// Asks every actor, each within a bounded time.
boost::asio::awaitable<house_state> ask_for_state(exchange& turn);

}  // namespace troupe
