// The APIs that generate, by path: each reads its own bodies and writes its own answers
// (net/dialects/), everything between is the same for all.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/outcome.hpp"
#include "net/answer_plan.hpp"
#include "net/body_reader.hpp"
#include "net/call.hpp"
#include "net/error_style.hpp"
#include "net/feed.hpp"

namespace troupe {

struct dialect {
  std::string_view path;
  error_style style;
  body_reader read;
};

std::span<const dialect> all_dialects();
// Null when no API that generates has this path.
const dialect* find_dialect(std::string_view path);

struct planned_call {
  outcome<answer_plan> plan;
  error_style style;  // of what is refused from now on
};
// Reads the body; a long one off the strand, so that other connections go on meanwhile. `body` must
// live until the end.
asio::awaitable<planned_call> plan_call(const call& who, const dialect& how,
                                        const std::string& body);
// Charges what the plan may use at most to the client. An error: the call must not be made.
asio::awaitable<std::optional<http_error>> charge(const call& who, const answer_plan& plan);
// Takes the orders out of the plan and gives them ids, times and the client's salt.
std::vector<feed_order> make_orders(const call& who, answer_plan& plan);

}  // namespace troupe
