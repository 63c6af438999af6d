// Wakes one coroutine from handlers of the same strand. A notification that comes before the wait
// is kept, several are one.
#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

namespace troupe {

namespace asio = boost::asio;

class strand_event {
 public:
  explicit strand_event(const asio::any_io_executor& strand);
  // At most one coroutine waits at a time.
  asio::awaitable<void> wait();
  void notify();

 private:
  asio::steady_timer timer_;
  bool is_notified_ = false;
};

}  // namespace troupe
