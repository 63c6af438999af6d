#include "net/strand_event.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace troupe {

strand_event::strand_event(const asio::any_io_executor& strand)
    : timer_(strand, asio::steady_timer::time_point::max()) {}

asio::awaitable<void> strand_event::wait() {
  while (!std::exchange(is_notified_, false))
    co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
}

void strand_event::notify() {
  is_notified_ = true;
  timer_.cancel_one();
}

}  // namespace troupe
