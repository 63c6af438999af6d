// What the server says of itself: /metrics once a second, and who it is before the run.
#pragma once
#include <atomic>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "load/run_record.hpp"
#include "net/http_client.hpp"

namespace troupe::load {

// From Prometheus' text: vLLM's and our names. What is not there stays negative.
server_sample parse_metrics(std::string_view text);

// Asks for /metrics once a second, on a thread of its own: a slow server delays no request.
class server_watch {
 public:
  server_watch(http_url where, client_options options);
  ~server_watch();
  server_watch(const server_watch&) = delete;
  server_watch& operator=(const server_watch&) = delete;
  // The newest answer; all negative before the first one, or when it is older than 3 s.
  server_sample newest() const;

 private:
  void watch();

  http_url where_;
  client_options options_;
  std::atomic<bool> is_over_{false};
  mutable std::mutex lock_;
  server_sample newest_;
  std::chrono::steady_clock::time_point asked_at_;
  std::thread thread_;
};

// One call with a whole answer as text; a failure if there is no connection.
outcome<std::string> fetch(const http_url& where, const client_options& options,
                           const std::string& target);

// Fills in `server`, `server_info` and, if it is empty, `model`; a failure: nobody answers there.
refusal introduce(const http_url& where, const client_options& options, environment& out);

// Processor, cores, memory and system of this machine, in words.
std::string describe_machine();

}  // namespace troupe::load
