#include "net/session_list.hpp"

#include <boost/asio/post.hpp>

#include "net/http_session.hpp"

namespace troupe {

void session_list::add(const std::shared_ptr<http_session>& session) {
  std::lock_guard lock(mutex_);
  members_.emplace(session.get(), member{session, session->strand()});
}

void session_list::remove(const http_session* session) {
  std::lock_guard lock(mutex_);
  members_.erase(session);
}

void session_list::post_to_all(const std::function<void(http_session&)>& visit) const {
  std::lock_guard lock(mutex_);
  for (auto& [key, held] : members_)
    asio::post(held.strand, [session = held.session, visit] {
      if (auto here = session.lock()) visit(*here);
    });
}

}  // namespace troupe
