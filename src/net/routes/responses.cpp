#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "net/exchange.hpp"
#include "net/routes/routes.hpp"
#include "text/json_builder.hpp"
#include "text/utf8.hpp"

namespace troupe {
namespace {

constexpr std::string_view base_path = "/v1/responses/";
constexpr std::string_view items_path = "/input_items";
constexpr std::size_t default_items = 20;
constexpr std::size_t max_items = 100;

// The id between the two; the route table has seen to their being there.
std::string_view id_of(const exchange& turn, std::string_view after = {}) {
  std::string_view path = turn.request().path;
  path.remove_prefix(base_path.size());
  path.remove_suffix(after.size());
  return path;
}

failure not_found(std::string_view id) {
  return {.code = error_code::not_found,
          .message = "there is no stored response with the id " + repair_utf8(id.substr(0, 80))};
}

struct page_of_items {
  std::size_t limit = default_items;
  bool is_ascending = false;
  std::string after;  // the id that the page begins behind; empty: at the beginning
};

outcome<page_of_items> read_page(std::string_view query) {
  page_of_items page;
  while (!query.empty()) {
    auto part = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), part.size() + 1));
    auto equals = std::min(part.find('='), part.size());
    auto name = part.substr(0, equals);
    auto value = part.substr(std::min(part.size(), equals + 1));
    if (name == "limit") {
      auto end = value.data() + value.size();
      auto parsed = std::from_chars(value.data(), end, page.limit);
      if (parsed.ec != std::errc{} || parsed.ptr != end || page.limit < 1 || page.limit > max_items)
        return failure{.message = "limit must be an integer from 1 to 100", .field = "limit"};
    } else if (name == "order") {
      page.is_ascending = value == "asc";
      if (value != "asc" && value != "desc")
        return failure{.message = "order must be asc or desc", .field = "order"};
    } else if (name == "after") {
      page.after = value;
    }
  }
  return page;
}

std::string list_items(const stored_response& response, const page_of_items& page) {
  auto num_items = response.input_items.size();
  auto at = [&](std::size_t i) { return page.is_ascending ? i : num_items - 1 - i; };
  std::size_t begin = 0;
  for (std::size_t i = 0; i < num_items; ++i)
    if (!page.after.empty() && response.input_ids[at(i)] == page.after) begin = i + 1;
  auto end = std::min(num_items, begin + page.limit);
  std::string out;
  json_builder json(out);
  json.begin_object().field("object", "list").key("data").begin_array();
  for (auto i = begin; i < end; ++i) json.raw(response.input_items[at(i)]);
  json.end_array();
  bool is_empty = begin == end;
  json.field_or_null("first_id", is_empty ? nullptr : &response.input_ids[at(begin)]);
  json.field_or_null("last_id", is_empty ? nullptr : &response.input_ids[at(end - 1)]);
  json.field("has_more", end < num_items).end_object();
  return out += "\n";
}

}  // namespace

asio::awaitable<void> answer_response(exchange& turn) {
  auto found = turn.house().responses.find(id_of(turn), turn.client().cache_salt);
  if (found) {
    http_response response{.body = found->json + "\n"};
    co_await turn.reply(std::move(response));
  } else {
    auto why = not_found(id_of(turn));
    co_await turn.refuse(why);
  }
}

asio::awaitable<void> delete_response(exchange& turn) {
  auto id = id_of(turn);
  if (turn.house().responses.erase(id, turn.client().cache_salt)) {
    http_response response;
    json_builder json(response.body);
    json.begin_object().field("id", id).field("object", "response").field("deleted", true);
    json.end_object();
    response.body += "\n";
    co_await turn.reply(std::move(response));
  } else {
    auto why = not_found(id);
    co_await turn.refuse(why);
  }
}

asio::awaitable<void> answer_response_input(exchange& turn) {
  auto id = id_of(turn, items_path);
  auto found = turn.house().responses.find(id, turn.client().cache_salt);
  auto page = read_page(turn.request().query);
  if (found && page) {
    http_response response{.body = list_items(*found, *page)};
    co_await turn.reply(std::move(response));
  } else {
    auto why = found ? page.error() : not_found(id);
    co_await turn.refuse(why);
  }
}

}  // namespace troupe
