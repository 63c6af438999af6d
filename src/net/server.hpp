// The HTTP server: a listener, the sessions, the routes, the threads that run them.
#pragma once
#include <caf/all.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "core/outcome.hpp"
#include "core/overload.hpp"
#include "net/gate_options.hpp"
#include "net/held_bytes.hpp"
#include "net/service.hpp"

namespace troupe {

// What the process may hold, and what it holds from the start.
struct memory_bounds {
  std::uint64_t limit_bytes = 0;  // 0: nobody watches
  overload_marks marks;
  memory_held planned;  // weights, activations, kv_pages
  // Whether the system still gives memory; asked four times a second. Null: nobody knows.
  bool (*has_reserve)() noexcept = nullptr;
  bool is_plan_elsewhere = false;  // in processes of this machine that share the limit
};

struct server_options {
  std::string host = "127.0.0.1";  // an address, not a name
  std::uint16_t port = 8080;       // 0: any free one
  std::uint32_t num_io_threads = 1;
  std::uint32_t max_connections = 4096;  // more wait in the kernel's backlog
  std::uint64_t max_body_bytes = 8U << 20;
  std::uint64_t max_bodies_bytes = 256U << 20;    // of all requests together
  std::uint32_t num_text_threads = 1;             // parse and encode what is long
  std::size_t max_inline_body_bytes = 16U << 10;  // longer is long
  std::size_t max_pending_bytes = 256U << 10;     // of one answer, unread by its client
  std::size_t max_stored_responses = 1024;        // of the Responses API
  std::size_t max_stored_response_bytes = 64U << 20;
  std::uint32_t send_buffer_bytes = 128U << 10;      // the kernel's, for each connection
  std::chrono::milliseconds header_timeout{10'000};  // from its first byte to its last
  std::chrono::milliseconds body_timeout{10'000};    // for each `min_body_bytes`
  std::size_t min_body_bytes = 5120;
  std::chrono::milliseconds idle_timeout{75'000};  // between requests
  std::chrono::milliseconds write_timeout{30'000};
  memory_bounds memory;
  shared_sum lost_log_lines;  // of the process's log; may be null
  gate_options gate;
  std::string tls_cert_file;  // PEM, with its chain; neither this nor the key: plain HTTP
  std::string tls_key_file;
  bool websocket_compression = false;
  std::uint32_t max_generations_per_connection = 256;  // at a time, on one WebSocket
};

class server {
 public:
  // `system` must outlive this.
  server(caf::actor_system& system, service facts, server_options options);
  // As `stop`.
  ~server();

  // Binds and serves. Fails if the address is wrong or taken.
  refusal start();
  // The bound port, after `start`.
  std::uint16_t port() const;
  // Requests that were read and are not answered to their end.
  std::size_t num_requests() const;

  // From now on nobody may connect, idle connections close, busy ones after their answer.
  void stop_accepting();
  // Ends every answer that is under way: its client hears `why`.
  void end_requests(failure why);
  // Ends and closes everything and joins the threads. Works while the actors behind the service
  // live, and after they ended.
  void stop();

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace troupe
