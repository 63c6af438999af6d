// The sessions that are alive, for whoever must speak to all of them.
#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace troupe {

class http_session;

class session_list {
 public:
  void add(const std::shared_ptr<http_session>& session);
  void remove(const http_session* session);
  // Calls `visit` on each session's own strand, soon.
  void post_to_all(const std::function<void(http_session&)>& visit) const;

 private:
  // Never locked to a shared_ptr off the strand: a session whose last owner is here would end under
  // the mutex that its destructor needs, and on the wrong thread.
  struct member {
    std::weak_ptr<http_session> session;
    boost::asio::any_io_executor strand;
  };

  mutable std::mutex mutex_;
  std::unordered_map<const http_session*, member> members_;
};

}  // namespace troupe
