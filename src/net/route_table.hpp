// Which handler answers which method and path.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <span>
#include <string>
#include <string_view>

#include "net/error_style.hpp"

namespace troupe {

namespace asio = boost::asio;

class exchange;

struct route {
  std::string_view method;
  std::string_view path;    // {} stands for one part that is not empty: /v1/responses/{}
  bool takes_json = false;  // the body must be application/json
  asio::awaitable<void> (*handler)(exchange& turn) = nullptr;
  error_style style = error_style::openai;  // of refusals
  // Steers the house itself: only pages of its own origin may, and no limit keeps them from it.
  bool is_control = false;
};

struct route_match {
  const route* found = nullptr;  // null: no such path, or not with this method
  std::string_view path;         // as the table has it; empty: no such path
  std::string allowed_methods;   // of the path; empty: no such path
};

// Every route of the server; their handlers are declared in net/routes/routes.hpp.
std::span<const route> all_routes();
// HEAD finds the route of GET.
route_match find_route(std::span<const route> table, std::string_view method,
                       std::string_view path);

}  // namespace troupe
