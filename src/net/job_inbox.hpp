// Hosted actors that have mail, on their way to the one thread that hosts them all: a step brings
// tokens for many at once, and they cost one wake-up together.
#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <caf/resumable.hpp>
#include <memory>
#include <mutex>
#include <vector>

namespace troupe {

namespace asio = boost::asio;

class strand_unit;

class job_inbox : public std::enable_shared_from_this<job_inbox> {
 public:
  explicit job_inbox(asio::any_io_executor thread) : thread_(std::move(thread)) {}
  // From any thread; `where` runs the job on ours.
  void push(strand_unit* where, caf::resumable* job);

 private:
  struct entry {
    strand_unit* where;
    caf::resumable* job;
  };
  void run_all();

  asio::any_io_executor thread_;
  std::mutex mutex_;
  std::vector<entry> waiting_;  // if there is one, a turn of the thread is under way
  std::vector<entry> running_;  // the thread's own
};

}  // namespace troupe
