#include "net/line_sink.hpp"

#include <spdlog/details/log_msg.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace troupe {

line_sink::line_sink(int descriptor, bool owns_it, shared_sum lost)
    : descriptor_(descriptor), owns_it_(owns_it), lost_(std::move(lost)) {}

line_sink::~line_sink() {
  if (owns_it_) ::close(descriptor_);
}

outcome<std::shared_ptr<line_sink>> line_sink::open(const std::string& path, shared_sum lost) {
  if (path == "-") return std::make_shared<line_sink>(STDERR_FILENO, false, std::move(lost));
  constexpr int mode = 0644;
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, mode);
  if (descriptor < 0)
    return failure{
        .code = error_code::io_error,
        .message = "cannot write to " + path + ": " + std::generic_category().message(errno)};
  return std::make_shared<line_sink>(descriptor, true, std::move(lost));
}

void line_sink::sink_it_(const spdlog::details::log_msg& message) {
  if (num_missing_ > 0) tell_of_loss(message);
  spdlog::memory_buf_t line;
  formatter_->format(message, line);
  if (num_missing_ == 0 && put({line.data(), line.size()})) return;
  ++num_missing_;
  lost_->fetch_add(1, std::memory_order_relaxed);
}

// In the form of the log itself, and only if it can be written.
void line_sink::tell_of_loss(const spdlog::details::log_msg& like) {
  auto text = std::to_string(num_missing_) + " lines before this one could not be written";
  spdlog::details::log_msg news(like.time, {}, like.logger_name, spdlog::level::warn, text);
  spdlog::memory_buf_t line;
  formatter_->format(news, line);
  if (put({line.data(), line.size()})) num_missing_ = 0;
}

bool line_sink::put(std::string_view line) {
  std::string repaired;
  if (is_line_open_) {
    repaired.append(1, '\n').append(line);
    line = repaired;
  }
  while (!line.empty()) {
    auto count = ::write(descriptor_, line.data(), line.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    is_line_open_ = true;
    line.remove_prefix(static_cast<std::size_t>(count));
  }
  is_line_open_ = false;
  return true;
}

}  // namespace troupe
