#include "net/house_questions.hpp"

#include <chrono>

#include "net/bridge.hpp"
#include "net/exchange.hpp"

namespace troupe {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 2000ms;  // these actors never compute

}  // namespace

asio::awaitable<outcome<std::string>> ask_for_metrics(exchange& turn) {
  return ask<std::string>(turn.house().system, turn.home(), turn.facts().observer, render{},
                          patience);
}

asio::awaitable<outcome<replica_status>> ask_for_status(exchange& turn) {
  return ask<replica_status>(turn.house().system, turn.home(), turn.facts().copy, ask_status{},
                             patience);
}

}  // namespace troupe
