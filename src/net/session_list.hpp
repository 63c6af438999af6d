// The sessions that are alive, for whoever must speak to all of them.
#pragma once
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
  mutable std::mutex mutex_;
  std::unordered_map<const http_session*, std::weak_ptr<http_session>> sessions_;
};

}  // namespace troupe
