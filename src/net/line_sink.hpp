// Where a log's lines go: a file descriptor that may be full, broken or closed. What cannot be
// written is counted and never waited for; the first line that can be says how many are missing.
#pragma once
#include <spdlog/sinks/base_sink.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "core/outcome.hpp"
#include "net/held_bytes.hpp"

namespace troupe {

class line_sink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  // `lost` counts; several sinks may share it.
  line_sink(int descriptor, bool owns_it, shared_sum lost);
  ~line_sink() override;

  // A file that is appended to, or "-" for the standard error stream.
  static outcome<std::shared_ptr<line_sink>> open(const std::string& path, shared_sum lost);

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}

 private:
  bool put(std::string_view line);
  void tell_of_loss(const spdlog::details::log_msg& like);

  const int descriptor_;
  const bool owns_it_;
  shared_sum lost_;
  std::uint64_t num_missing_ = 0;  // since the last line that was written
  bool is_line_open_ = false;      // a part of one was written
};

}  // namespace troupe
