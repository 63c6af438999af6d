#include "net/access_log.hpp"

#include <spdlog/async.h>

#include <cstdio>
#include <ctime>
#include <utility>

#include "net/line_sink.hpp"
#include "text/utf8.hpp"

namespace troupe {
namespace {

constexpr std::size_t max_waiting_lines = 8192;
constexpr std::size_t max_method_bytes = 32;
constexpr std::size_t max_agent_bytes = 256;
constexpr std::size_t max_body_bytes = 16 << 10;

// Characters that move a terminal's cursor, end a line, or turn the direction of writing.
bool is_harmful(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029 || c == 0x061C ||
         c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

void append_quoted(std::string& out, std::string_view text, std::size_t max_bytes) {
  // Cut first: what the cut breaks is repaired with the rest.
  auto whole = repair_utf8(text.substr(0, max_bytes));
  out += '"';
  for (std::size_t at = 0; at < whole.size();) {
    auto [c, num_bytes] = read_utf8(whole, at);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (is_harmful(c)) {
      char escape[16];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
      out += escape;
    } else {
      out.append(whole, at, num_bytes);
    }
    at += num_bytes;
  }
  out += text.size() > max_bytes ? "...\"" : "\"";
}

std::string utc(std::chrono::system_clock::time_point time) {
  auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  auto seconds = static_cast<std::time_t>(ms / 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32], out[40];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(out, sizeof out, "%s.%03dZ", text, static_cast<int>(ms % 1000));
  return out;
}

class line_writer {
 public:
  void text(std::string_view name, std::string_view value, std::size_t max_bytes) {
    begin(name);
    append_quoted(line_, value, max_bytes);
  }
  void number(std::string_view name, std::uint64_t value) {
    begin(name);
    line_ += std::to_string(value);
  }
  void number(std::string_view name, double value) {
    char digits[40];
    std::snprintf(digits, sizeof digits, "%.3f", value);
    begin(name);
    line_ += digits;
  }
  std::string take() { return std::move(line_) + "}"; }

 private:
  void begin(std::string_view name) {
    line_ += line_.empty() ? "{\"" : ", \"";
    line_.append(name).append("\": ");
  }
  std::string line_;
};

}  // namespace

std::string to_json_line(const access_record& record) {
  line_writer line;
  line.text("time", utc(record.time), 40);
  if (!record.request_id.empty()) line.text("request_id", record.request_id, 64);
  line.text("client", record.client, 64);
  line.text("scheme", record.is_encrypted ? "https" : "http", 8);
  if (!record.key_name.empty()) line.text("key", record.key_name, 64);
  if (!record.method.empty()) line.text("method", record.method, max_method_bytes);
  line.text("route", record.route, 64);
  line.number("status", static_cast<std::uint64_t>(record.status));
  line.number("duration_ms", record.duration_ms);
  line.number("bytes_in", record.bytes_in);
  line.number("bytes_out", record.bytes_out);
  if (record.usage.prompt_tokens > 0) {
    line.number("prompt_tokens", std::uint64_t{record.usage.prompt_tokens});
    line.number("completion_tokens", std::uint64_t{record.usage.completion_tokens});
  }
  if (!record.user_agent.empty()) line.text("user_agent", record.user_agent, max_agent_bytes);
  if (record.body) line.text("body", *record.body, max_body_bytes);
  return line.take();
}

struct access_log::state {
  state(spdlog::sink_ptr sink, shared_sum num_lost)
      : lost(std::move(num_lost)),
        threads(std::make_shared<spdlog::details::thread_pool>(max_waiting_lines, 1)),
        lines(std::make_shared<spdlog::async_logger>(
            "access", std::move(sink), threads, spdlog::async_overflow_policy::overrun_oldest)) {
    lines->set_pattern("%v");
    lines->flush_on(spdlog::level::info);
  }
  shared_sum lost;
  std::shared_ptr<spdlog::details::thread_pool> threads;
  std::shared_ptr<spdlog::async_logger> lines;
};

access_log::access_log(std::unique_ptr<state> lines) : state_(std::move(lines)) {}
access_log::~access_log() = default;

outcome<std::shared_ptr<access_log>> access_log::open(const std::string& path) {
  auto lost = std::make_shared<std::atomic<std::uint64_t>>(0);
  auto sink = line_sink::open(path, lost);
  if (!sink) {
    auto why = sink.error();
    why.field = "access-log";
    return why;
  }
  return std::shared_ptr<access_log>(
      new access_log(std::make_unique<state>(*std::move(sink), std::move(lost))));
}

void access_log::write(const access_record& record) {
  state_->lines->info("{}", to_json_line(record));
}

std::uint64_t access_log::num_lost() const {
  return *state_->lost + state_->threads->overrun_counter();
}

}  // namespace troupe
