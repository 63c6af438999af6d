#include "net/server_log.hpp"

#include <spdlog/spdlog.h>

namespace troupe {

void log_access(std::string_view request_id, std::string_view route, int status,
                std::chrono::steady_clock::duration time) {
  auto level = status >= 500 ? spdlog::level::warn : spdlog::level::debug;
  auto ms = std::chrono::duration<double, std::milli>(time).count();
  spdlog::log(level, "{} {} {} {:.1f} ms", request_id, route, status, ms);
}

void log_exception(std::string_view request_id, std::string_view what) {
  spdlog::error("{} threw: {}", request_id, what);
}

void log_thrown(std::string_view who, const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& error) {
    spdlog::error("{} ended by an exception: {}", who, error.what());
  } catch (...) {
    spdlog::error("{} ended by something that is no exception", who);
  }
}

void log_listening(std::string_view host, unsigned port) {
  spdlog::info("listening on {} port {}", host, port);
}

void log_accept_failing(std::string_view why) {
  spdlog::warn("no connection can be accepted at present: {}", why);
}

void log_accept_recovered() { spdlog::info("connections are accepted again"); }

void log_overload(overload_level before, overload_level now, std::uint64_t held_bytes,
                  std::uint64_t limit_bytes) {
  constexpr std::uint64_t mib = 1U << 20U;
  auto what = [now] {
    switch (now) {
      case overload_level::none: return "all is served as ever";
      case overload_level::closing: return "answers end their connections";
      case overload_level::refusing: return "new work is refused";
      case overload_level::pausing: return "accepting pauses";
    }
    return "";
  };
  spdlog::log(now > before ? spdlog::level::warn : spdlog::level::info,
              "memory: {} of {} MiB held: {}", held_bytes / mib, limit_bytes / mib, what());
}

void log_left_behind(std::size_t num_guests) {
  spdlog::error("{} connections or readers did not end in time", num_guests);
}

}  // namespace troupe
