// What routes ask of the house. Not templates, so that the crossing is compiled once.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <string>

#include "actors/replica.hpp"
#include "core/outcome.hpp"

namespace troupe {

class exchange;

// The metrics in Prometheus' text form.
boost::asio::awaitable<outcome<std::string>> ask_for_metrics(exchange& turn);
boost::asio::awaitable<outcome<replica_status>> ask_for_status(exchange& turn);

}  // namespace troupe
