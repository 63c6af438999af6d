// What `troupe serve` is asked for: every flag once, with its default.
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/overload.hpp"
#include "engine/engine_options.hpp"

namespace troupe {

// As the flags are written; cli/gate_setup.hpp turns it into what the server needs.
struct gate_settings {
  std::vector<std::string> api_keys;
  std::filesystem::path api_key_file;
  bool metrics_without_key = false;
  std::string rate_limit;  // "2r/s"; empty: none
  std::uint32_t rate_burst = 0;
  bool rate_nodelay = false;
  int rate_limit_status = 429;
  std::string token_budget;  // "100000/min"; empty: none
  std::vector<std::string> trusted_proxies;
  std::vector<std::string> allowed_origins;
  std::optional<std::uint32_t> max_connections_per_ip;
  std::string access_log;  // empty: none
  bool log_prompts = false;
  bool core_dumps = false;
};

struct replica_range {
  std::uint32_t min = 1, max = 1;
};

// Of a gateway and of what joins it.
struct fleet_settings {
  std::optional<replica_range> replicas;  // none: the model runs in this process
  std::uint32_t num_standby = 0;
  std::chrono::milliseconds scale_out_after{10'000};
  std::chrono::milliseconds scale_in_after{180'000};
  std::vector<std::string> schedule;  // "Mon-Fri 08:00-20:00=2..5"
  std::chrono::milliseconds silence{1'500};
  std::chrono::milliseconds start_timeout{300'000};
  std::string listen;  // HOST:PORT for replicas of other machines; empty: none
  std::string cert, key, ca;
  std::string secret;  // empty: drawn
  std::string join;    // HOST:PORT of a gateway; empty: this is none of its replicas
  bool rejoin = true;
};

// Of the processes that share a replica's ranks (engine_options::num_nodes).
struct node_settings {
  std::string master_addr;  // of node 0; empty: it starts the others itself
  std::uint16_t master_port = 29501;
  std::chrono::milliseconds silence{1'500};
};

struct serve_options : engine_options {
  std::chrono::milliseconds drain_timeout{30'000};

  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;
  std::uint32_t io_threads = 1;
  std::uint32_t max_connections = 4096;
  std::uint64_t max_body_bytes = 8U << 20;
  std::uint64_t max_bodies_bytes = 256U << 20;   // of all requests together
  std::uint64_t max_pending_bytes = 256U << 10;  // of one answer, unread by its client
  std::uint32_t max_stored_responses = 1024;     // of the Responses API
  std::uint64_t max_stored_response_bytes = 64U << 20;
  std::chrono::milliseconds header_timeout{10'000};
  std::chrono::milliseconds body_timeout{10'000};
  std::chrono::milliseconds idle_timeout{75'000};
  std::chrono::milliseconds write_timeout{30'000};

  overload_marks overload;
  fleet_settings fleet;
  node_settings nodes;
  gate_settings gate;
  std::string tls_cert;  // file; empty: plain HTTP
  std::string tls_key;
  bool websocket_compression = false;
  std::uint32_t max_generations_per_connection = 256;

  bool enable_load_tests = false;  // that the dashboard starts

  bool only_plan = false;
  bool only_protocol = false;
};

}  // namespace troupe
