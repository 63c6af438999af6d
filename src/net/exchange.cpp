#include "net/exchange.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <algorithm>
#include <cstdio>
#include <utility>

#include "net/cors.hpp"

namespace troupe {
namespace {

constexpr std::size_t max_id_bytes = 64;

bool is_sane_id(std::string_view id) {
  auto is_plain = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.';
  };
  return !id.empty() && id.size() <= max_id_bytes && std::ranges::all_of(id, is_plain);
}

std::string make_id(request_id number) {
  char text[24];
  std::snprintf(text, sizeof text, "req-%016llx", static_cast<unsigned long long>(number.value));
  return text;
}

}  // namespace

exchange::exchange(server_context& house, connection& line, http_request request)
    : house_(house),
      line_(line),
      request_(std::move(request)),
      arrival_(std::chrono::steady_clock::now()),
      number_(house.next_id()),
      client_(identify(house.options.gate, line.peer(), request_)),
      pause_(line.strand()),
      keep_alive_(request_.keep_alive),
      held_(house.num_pending_bytes) {
  client_.is_encrypted = client_.is_encrypted || line_.is_secure();
  auto theirs = request_.header("X-Request-Id");
  id_ = is_sane_id(theirs) ? std::string(theirs) : make_id(number_);
  house_.num_requests.fetch_add(1);
}

exchange::~exchange() {
  if (is_streaming_) observe_streams(-1);
  line_.unwatch();
  house_.num_requests.fetch_sub(1);
}

strand_home exchange::home() { return {line_.strand(), house_.house, house_.inbox}; }

std::vector<http_header> exchange::common_headers() const {
  auto headers = cors_headers(gate().allowed_origins, request_);
  headers.emplace_back("X-Request-Id", id_);
  return headers;
}

asio::awaitable<void> exchange::reply(http_response response) {
  status_ = response.status;
  consider_closing();
  for (auto& header : common_headers()) response.headers.push_back(std::move(header));
  auto bytes = serialise_head(response, head());
  if (request_.method != "HEAD") bytes += response.body;
  num_bytes_out_ += bytes.size();
  held_.set(bytes.size());
  auto result = co_await line_.write(bytes, house_.options.write_timeout);
  held_.set(0);
  is_complete_ = result == io_result::done;
}

asio::awaitable<void> exchange::reply_in_pieces(http_response response, std::uint64_t num_bytes,
                                                std::function<std::string()> next) {
  status_ = response.status;
  consider_closing();
  for (auto& header : common_headers()) response.headers.push_back(std::move(header));
  auto piece = serialise_head(response, num_bytes, head());
  if (request_.method == "HEAD") num_bytes = 0;
  while (true) {
    num_bytes_out_ += piece.size();
    held_.set(piece.size());
    auto result = co_await line_.write(piece, house_.options.write_timeout);
    held_.set(0);
    is_complete_ = result == io_result::done && num_bytes == 0;
    if (result != io_result::done || num_bytes == 0) co_return;
    piece = next();
    if (piece.empty() || piece.size() > num_bytes) co_return;
    num_bytes -= piece.size();
  }
}

asio::awaitable<void> exchange::refuse(const http_error& why) {
  co_await reply(to_response(why, style_));
}

asio::awaitable<void> exchange::refuse(const failure& why) {
  co_await reply(to_response(to_http_error(why), style_));
}

// A server that ends, or is short of memory, keeps no connection for another request.
void exchange::consider_closing() {
  if (house_.is_draining) keep_alive_ = false;
  if (!keep_alive_ || !house_.is_overloaded(overload_level::closing)) return;
  keep_alive_ = false;
  house_.num_closed.fetch_add(1, std::memory_order_relaxed);
}

void exchange::begin_events() {
  status_ = 200;
  is_streaming_ = true;
  observe_streams(1);
  // Only a close ends an answer of unknown length to an HTTP/1.0 client.
  if (request_.is_http_1_0) keep_alive_ = false;
  consider_closing();
  unsent_ = serialise_stream_head(common_headers(), head());
}

bool exchange::send_events(std::string_view events, bool is_last) {
  if (!has_begun()) begin_events();
  if (request_.is_http_1_0)
    unsent_ += events;
  else
    append_chunk(unsent_, events);
  if (is_last && !request_.is_http_1_0) unsent_ += last_chunk;
  was_last_sent_ = is_last;
  num_bytes_out_ += unsent_.size();
  unsent_.erase(0, line_.send_at_once(unsent_));
  held_.set(unsent_.size());
  is_complete_ = is_last && unsent_.empty();
  return unsent_.empty();
}

asio::awaitable<bool> exchange::send_rest() {
  auto result = co_await line_.write(unsent_, house_.options.write_timeout);
  unsent_.clear();
  held_.set(0);
  is_complete_ = was_last_sent_ && result == io_result::done;
  co_return result == io_result::done;
}

feed_group& exchange::open_feeds(std::vector<feed_order> orders) {
  feeds_.emplace(house_.system, home(), std::move(orders));
  line_.watch_peer([this] {
    client_left_ = true;
    // A write to somebody who left must not wait for its timeout.
    line_.abort();
    feeds_->leave({.code = error_code::shutting_down, .message = "the client left"});
  });
  return *feeds_;
}

asio::awaitable<bool> exchange::wait(std::chrono::milliseconds time) {
  pause_.expires_after(time);
  line_.watch_peer([this] {
    client_left_ = true;
    line_.abort();
    pause_.cancel();
  });
  // Who left before the watch began is found at once, when there is no pause to end yet.
  if (!was_ended_ && !client_left_) co_await pause_.async_wait(asio::as_tuple(asio::use_awaitable));
  line_.unwatch();
  co_return !was_ended_ && !client_left_;
}

void exchange::observe_streams(std::int32_t change) {
  caf::anon_send(house_.facts.observer, front_observed{.streams = change});
}

void exchange::end(const failure& why) {
  was_ended_ = true;
  pause_.cancel();
  if (feeds_) feeds_->leave(why);
  if (keeper_.end) keeper_.end(why);
}

void exchange::wind_up() {
  if (keeper_.wind_up) keeper_.wind_up();
}

connection& exchange::take_line(line_keeper keeper) {
  status_ = 101;
  keeper_ = std::move(keeper);
  return line_;
}

}  // namespace troupe
