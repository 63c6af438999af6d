// One line of JSON for each request. A slow disk or a reader of the pipe that stopped never slows
// the server down: lines wait in a bounded buffer, and the oldest are dropped.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/outcome.hpp"
#include "core/request.hpp"

namespace troupe {

struct access_record {
  std::chrono::system_clock::time_point time;
  std::string_view request_id;  // empty: the request was not understood
  std::string_view client;
  bool is_encrypted = false;  // where the client spoke, as a trusted proxy says
  std::string_view key_name;
  std::string_view method;
  std::string_view route;
  int status = 0;
  double duration_ms = 0;
  std::uint64_t bytes_in = 0, bytes_out = 0;
  token_usage usage;  // zero: none known
  std::string_view user_agent;
  std::optional<std::string_view> body;  // only if prompts may be logged
};

// Whatever a client wrote comes out in quotes, capped, and without control characters, C1 and
// direction marks included: a line stays a line, and a terminal shows it as it is.
std::string to_json_line(const access_record& record);

class access_log {
 public:
  // A file that is appended to, or "-" for the standard error stream.
  static outcome<std::shared_ptr<access_log>> open(const std::string& path);
  ~access_log();
  void write(const access_record& record);
  // Lines that could not be written, or had no room to wait.
  std::uint64_t num_lost() const;

 private:
  struct state;
  explicit access_log(std::unique_ptr<state> lines);
  std::unique_ptr<state> state_;
};

}  // namespace troupe
