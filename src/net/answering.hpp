// Brings the answers of one call over HTTP: whole, or as server-sent events.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <string>

#include "net/answer_plan.hpp"
#include "net/dialect.hpp"
#include "net/exchange.hpp"

namespace troupe {

// Joins events into the text of a stream.
class event_text : public event_sink {
 public:
  void event(std::string_view name, std::string_view json) override;
  std::string take() { return std::exchange(text_, {}); }

 private:
  std::string text_;
};

// Runs the plan and answers the exchange once.
asio::awaitable<void> answer_plan_over_http(exchange& turn, answer_plan plan);

}  // namespace troupe
