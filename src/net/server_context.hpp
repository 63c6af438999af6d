// What all sessions of one server share.
#pragma once
#include <caf/all.hpp>

#include <boost/asio/thread_pool.hpp>
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "core/overload.hpp"
#include "net/head_count.hpp"
#include "net/held_bytes.hpp"
#include "net/job_inbox.hpp"
#include "net/response_store.hpp"
#include "net/server.hpp"
#include "net/service.hpp"
#include "net/session_list.hpp"
#include "net/strand_event.hpp"

namespace boost::asio::ssl {
class context;
}

namespace troupe {

struct server_context {
  server_context(caf::actor_system& actors, service what, server_options how)
      : system(actors),
        facts(std::move(what)),
        options(std::move(how)),
        responses({options.max_stored_responses, options.max_stored_response_bytes}),
        text_threads(std::max(1U, options.num_text_threads)) {}

  // A number for a request: unique within this server, and a seed for it that no other request has.
  request_id next_id() { return {num_ids.fetch_add(1, std::memory_order_relaxed) + 1}; }

  bool is_overloaded(overload_level level) const { return overload >= level; }

  caf::actor_system& system;
  const service facts;
  const server_options options;
  const std::shared_ptr<head_count> house = std::make_shared<head_count>();
  std::shared_ptr<job_inbox> inbox;  // null: several io threads; set once, before they run
  session_list sessions;
  response_store responses;
  std::shared_ptr<asio::ssl::context> tls;  // null: plain; set once, before the first session
  asio::thread_pool text_threads;
  std::atomic<std::uint64_t> num_ids{0};
  std::atomic<std::size_t> num_requests{0};      // under way
  std::atomic<std::uint64_t> num_body_bytes{0};  // of the requests under way
  // Of answers, not taken by their clients.
  const shared_sum num_pending_bytes = std::make_shared<std::atomic<std::uint64_t>>(0);
  std::atomic<bool> is_draining{false};
  std::atomic<overload_level> overload{overload_level::none};  // as the overload_watch says
  std::atomic<std::uint64_t> num_closed{0};  // connections, by an answer under overload
};

}  // namespace troupe
