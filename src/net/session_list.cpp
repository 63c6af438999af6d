#include "net/session_list.hpp"

#include <boost/asio/post.hpp>

#include "net/http_session.hpp"

namespace troupe {

void session_list::add(const std::shared_ptr<http_session>& session) {
  std::lock_guard lock(mutex_);
  sessions_.emplace(session.get(), session);
}

void session_list::remove(const http_session* session) {
  std::lock_guard lock(mutex_);
  sessions_.erase(session);
}

void session_list::post_to_all(const std::function<void(http_session&)>& visit) const {
  std::lock_guard lock(mutex_);
  for (auto& [key, held] : sessions_)
    if (auto session = held.lock())
      asio::post(session->strand(), [session, visit] { visit(*session); });
}

}  // namespace troupe
