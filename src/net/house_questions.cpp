#include "net/house_questions.hpp"

#include <chrono>
#include <utility>

#include "net/bridge.hpp"
#include "net/exchange.hpp"

namespace troupe {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 2000ms;         // these actors never compute
constexpr auto health_patience = 1000ms;  // whoever asks for health does not wait long either

}  // namespace

asio::awaitable<outcome<std::string>> ask_for_metrics(exchange& turn) {
  return ask<std::string>(turn.house().system, turn.home(), turn.facts().observer, render{},
                          patience);
}

asio::awaitable<house_state> ask_for_state(exchange& turn) {
  auto& system = turn.house().system;
  auto& facts = turn.facts();
  auto copy =
      co_await ask<replica_status>(system, turn.home(), facts.copy, ask_status{}, health_patience);
  auto observer =
      co_await ask<heartbeat>(system, turn.home(), facts.observer, beat{}, health_patience);
  auto store = co_await ask<heartbeat>(system, turn.home(), facts.store, beat{}, health_patience);
  co_return house_state{.copy = std::move(copy),
                        .observer = std::move(observer),
                        .store = std::move(store),
                        .device = facts.device,
                        .is_draining = turn.house().is_draining,
                        .now = std::chrono::steady_clock::now()};
}

}  // namespace troupe
