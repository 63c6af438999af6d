#include "net/job_inbox.hpp"

#include <boost/asio/post.hpp>

#include "net/bridge.hpp"

namespace troupe {

void job_inbox::push(strand_unit* where, caf::resumable* job) {
  {
    std::lock_guard lock(mutex_);
    waiting_.push_back({where, job});
    if (waiting_.size() > 1) return;
  }
  asio::post(thread_, [self = shared_from_this()] { self->run_all(); });
}

void job_inbox::run_all() {
  {
    std::lock_guard lock(mutex_);
    running_.swap(waiting_);
  }
  for (auto& [where, job] : running_) where->run(job);
  running_.clear();
}

}  // namespace troupe
