#include <chrono>
#include <string>

#include "net/bridge.hpp"
#include "net/exchange.hpp"
#include "net/routes/routes.hpp"

namespace troupe {

using namespace std::chrono_literals;

asio::awaitable<void> answer_metrics(exchange& turn) {
  auto text = co_await ask<std::string>(turn.house().system, turn.home(), turn.facts().observer,
                                        render{}, 5000ms);
  if (text) {
    http_response response{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                           .body = *std::move(text)};
    co_await turn.reply(std::move(response));
  } else {
    co_await turn.refuse(text.error());
  }
}

}  // namespace troupe
