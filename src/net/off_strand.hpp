// Long computations leave the strand, so that other connections on its thread go on meanwhile.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <exception>
#include <functional>
#include <memory>
#include <optional>

#include "net/strand_event.hpp"

namespace troupe {

// The result of `work`, which runs on `threads`; what it throws comes out here. One job for each
// waiting coroutine, so the number of connections bounds the jobs.
template <class Result>
asio::awaitable<Result> run_off_strand(asio::thread_pool& threads, asio::any_io_executor strand,
                                       std::function<Result()> work) {
  struct job {
    std::function<Result()> work;
    std::optional<Result> result;
    std::exception_ptr thrown;
    strand_event is_done;
  };
  auto shared = std::make_shared<job>(job{std::move(work), {}, {}, strand_event{strand}});
  auto back = [shared] { shared->is_done.notify(); };
  auto compute = [shared, strand, back] {
    try {
      shared->result = shared->work();
    } catch (...) {
      shared->thrown = std::current_exception();
    }
    asio::post(strand, back);
  };
  asio::post(threads, compute);
  co_await shared->is_done.wait();
  if (shared->thrown) std::rethrow_exception(shared->thrown);
  co_return *std::move(shared->result);
}

}  // namespace troupe
