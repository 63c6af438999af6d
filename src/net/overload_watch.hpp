// Adds up what the process holds, four times a second, and says which level of overload that is:
// in server_context::overload, in the log, to the meter; and what the logs could not take.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "actors/observations.hpp"
#include "core/overload.hpp"
#include "net/server_context.hpp"

namespace troupe {

class overload_watch : public std::enable_shared_from_this<overload_watch> {
 public:
  // `on_change` is called on the watch's strand after the level has changed.
  overload_watch(asio::io_context& io, server_context& house, std::function<void()> on_change);

  // Does nothing where no limit is given.
  void start();
  // From any thread.
  void stop();

 private:
  asio::awaitable<void> watch();
  asio::awaitable<memory_held> add_up();
  void judge(const memory_held& held);
  void make_room();
  void look_at_logs();

  server_context& house_;
  asio::any_io_executor strand_;
  asio::steady_timer pause_;
  std::function<void()> on_change_;
  overload_observed seen_;
  log_observed logs_;
  std::chrono::steady_clock::time_point last_trim_;
  bool is_stopped_ = false;
};

}  // namespace troupe
