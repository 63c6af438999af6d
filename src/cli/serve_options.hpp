// What `troupe serve` is asked for: every flag once, with its default.
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/weight_choice.hpp"
#include "core/config.hpp"

namespace troupe {

enum class load_format : std::uint8_t { files, dummy };
// null and sim compute nothing: see sim/sim_runner.hpp. automatic: see cli/cuda_device.hpp.
enum class device_kind : std::uint8_t { cpu, cuda, automatic, null, sim };
// Of keys and values on the CPU; automatic: as --dtype.
enum class kv_cache_dtype : std::uint8_t { automatic, bf16, int8, fp8 };
enum class yarn_mode : std::uint8_t { always, per_request };

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
};

struct serve_options {
  std::filesystem::path model_dir;
  std::string served_model_name;  // empty: the directory's name
  std::string dtype = "auto";     // auto: as the weights were published; float16 runs as bfloat16
  quantization weights = quantization::automatic;
  load_format format = load_format::files;
  std::uint64_t seed = 0;  // of dummy weights, and of the seeds drawn for requests without one
  yarn_mode yarn = yarn_mode::always;

  device_kind device = device_kind::cpu;
  bool deterministic = false;       // on GPUs; the CPU always is
  std::string sim_gpu = "rtx4090";  // see sim/gpu_table.hpp
  std::string sim_link = "auto";    // auto: the GPU's own

  std::uint32_t max_model_len = 0;  // 0: what the model can do
  std::uint32_t max_num_seqs = 64;
  std::uint32_t max_num_batched_tokens = 512;
  bool enable_prefix_caching = true;
  std::optional<std::uint32_t> num_speculative_tokens;  // none: what suits the device
  std::uint32_t prompt_lookup_min = 2;
  std::uint32_t prompt_lookup_max = 5;
  std::uint32_t max_speculative_rows = 8;
  std::uint32_t tensor_parallel_size = 1;
  std::uint32_t threads = 0;  // of each rank; 0: the cores divided by the ranks
  // Of the memory that is available at the start; none: what suits the device.
  std::optional<double> memory_utilization;
  kv_cache_dtype kv_dtype = kv_cache_dtype::automatic;
  std::optional<std::uint64_t> kv_cache_bytes;
  std::optional<std::uint64_t> num_kv_pages;

  std::uint32_t max_queued_requests = 1024;
  std::uint64_t max_queued_tokens = 1U << 20;
  std::chrono::milliseconds queue_timeout{60'000};
  std::chrono::milliseconds request_timeout{600'000};
  std::chrono::milliseconds executor_timeout{60'000};
  std::chrono::milliseconds stall_timeout{10'000};
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
  std::uint64_t grammar_cache_bytes = 256U << 20;
  std::chrono::milliseconds header_timeout{10'000};
  std::chrono::milliseconds body_timeout{10'000};
  std::chrono::milliseconds idle_timeout{75'000};
  std::chrono::milliseconds write_timeout{30'000};

  gate_settings gate;
  std::string tls_cert;  // file; empty: plain HTTP
  std::string tls_key;
  bool websocket_compression = false;
  std::uint32_t max_generations_per_connection = 256;

  bool only_plan = false;
  bool only_protocol = false;
};

}  // namespace troupe
