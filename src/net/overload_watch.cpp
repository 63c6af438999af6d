#include "net/overload_watch.hpp"

#include <malloc.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "actors/process_usage.hpp"
#include "net/access_log.hpp"
#include "net/bridge.hpp"
#include "net/server_log.hpp"

namespace troupe {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr auto period = 250ms;
constexpr auto patience = 1000ms;
constexpr auto trim_period = 5s;

}  // namespace

overload_watch::overload_watch(asio::io_context& io, server_context& house,
                               std::function<void()> on_change)
    : house_(house),
      strand_(house.options.num_io_threads <= 1 ? asio::any_io_executor(io.get_executor())
                                                : asio::make_strand(io)),
      pause_(strand_),
      on_change_(std::move(on_change)) {}

void overload_watch::start() {
  seen_.limit_bytes = house_.options.memory.limit_bytes;
  if (seen_.limit_bytes == 0) return;
  auto leave = [self = shared_from_this(),
                guest = head_count::guest(house_.house)](std::exception_ptr thrown) mutable {
    if (thrown) log_thrown("the overload watch", thrown);
    guest.leave();
  };
  asio::co_spawn(strand_, watch(), std::move(leave));
}

void overload_watch::stop() {
  asio::post(strand_, [self = shared_from_this()] {
    self->is_stopped_ = true;
    self->pause_.cancel();
  });
}

asio::awaitable<void> overload_watch::watch() {
  while (!is_stopped_) {
    auto held = co_await add_up();
    judge(held);
    look_at_logs();
    if (is_stopped_) break;
    pause_.expires_after(period);
    co_await pause_.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

asio::awaitable<memory_held> overload_watch::add_up() {
  auto held = house_.options.memory.planned;
  held.bodies = house_.num_body_bytes;
  held.streams = *house_.num_pending_bytes;
  held.responses = house_.responses.num_bytes();
  // Not written in its place below: g++ 12 ends such a temporary of a coroutine twice.
  strand_home home{strand_, house_.house, house_.inbox};
  auto cached = co_await ask<cached_bytes>(house_.system, home, house_.facts.store,
                                           ask_cached_bytes{}, patience);
  held.grammars = cached ? cached->num_bytes : seen_.held.grammars;
  held.measured = read_kept_bytes();
  if (house_.options.memory.is_plan_elsewhere)
    held.measured += held.weights + held.activations + held.kv_pages;
  co_return held;
}

void overload_watch::judge(const memory_held& held) {
  seen_.held = held;
  seen_.num_closed = house_.num_closed;
  auto share = share_of_limit(held, seen_.limit_bytes);
  auto level = judge_overload(seen_.level, share, house_.options.memory.marks);
  // Whatever the sum says: an allocation has failed, and nothing may be left for the next one.
  auto has_reserve = house_.options.memory.has_reserve;
  if (has_reserve != nullptr && !has_reserve()) level = overload_level::pausing;
  auto before = std::exchange(seen_.level, level);
  house_.overload = level;
  if (level != before) {
    for (auto i = static_cast<std::size_t>(before) + 1; i <= static_cast<std::size_t>(level); ++i)
      ++seen_.num_entered[i];
    log_overload(before, level, held.all(), seen_.limit_bytes);
    on_change_();
  }
  if (level != overload_level::none) make_room();
  caf::anon_send(house_.facts.observer, seen_);
}

void overload_watch::look_at_logs() {
  auto& options = house_.options;
  log_observed now;
  if (options.lost_log_lines) now.num_lost = *options.lost_log_lines;
  if (options.gate.log) now.num_lost_access = options.gate.log->num_lost();
  if (now.num_lost == logs_.num_lost && now.num_lost_access == logs_.num_lost_access) return;
  logs_ = now;
  caf::anon_send(house_.facts.observer, now);
}

// What was freed may still be the allocator's, and would keep the level up for ever. It takes a
// while, so another thread does it.
void overload_watch::make_room() {
  auto now = clock::now();
  if (now - last_trim_ < trim_period) return;
  last_trim_ = now;
  asio::post(house_.text_threads, [] { malloc_trim(0); });
}

}  // namespace troupe
